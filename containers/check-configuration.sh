#!/usr/bin/env bash
# Checks the configuration of the containers, with the programs that read it where Debian has them.
# ./run-tests.sh runs it. Debian lacks Elastic's programs: check-stack.py and
# crates/app/tests/it/log_fields.rs check their configuration as far as possible without them.
#
# With MYMONIT_TEST_SERVERS (./run-tests.sh --newest-servers) MySQL itself and the newest RabbitMQ
# take the place of Debian's MariaDB and RabbitMQ.
set -euo pipefail
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."
# shellcheck source=scripts/machine.sh
source scripts/machine.sh
# shellcheck source=scripts/debian.sh
source scripts/debian.sh
# shellcheck source=scripts/private-servers.sh
source scripts/private-servers.sh
folder=$(mktemp --directory --tmpdir mymonit-configuration.XXXXXX)
export SECRETS_DIR=$folder/secrets
# shellcheck source=scripts/secrets.sh
source scripts/secrets.sh
# shellcheck source=scripts/stack.sh
source scripts/stack.sh

clean_up() {
    set +e
    trap '' HUP INT TERM
    allow_service_starts
    stop_private_servers
    rm -rf -- "$folder"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Docker Compose 2, which reads files without an engine: this machine's, or that of Debian's stable
# release, unpacked and not installed, since older releases have version 1.
need_compose() {
    local tools=target/compose
    if docker compose version >/dev/null 2>&1; then
        compose_program=(docker compose)
        return
    fi
    compose_program=("$PWD/$tools/usr/libexec/docker/cli-plugins/docker-compose")
    [[ ! -x ${compose_program[0]} ]] || return 0
    say "fetching Debian's Docker Compose 2"
    prepare_private_apt "$folder/apt" trixie
    (cd -- "$folder/apt" && "${private_apt_get[@]}" download docker-compose)
    mkdir -p -- "$tools"
    dpkg-deb --extract "$folder"/apt/docker-compose_*.deb "$tools"
}

# The files as Compose resolves them, as JSON. A warning counts as an error.
resolved() {
    local files=() file
    for file in "$@"; do
        files+=(--file "$file")
    done
    # Without this machine's .env and variables, but for those of use_everything.
    env --ignore-environment PATH="$PATH" DOCKER_CONFIG="${DOCKER_CONFIG:-${HOME-}/.docker}" SECRETS_DIR="$SECRETS_DIR" COMPOSE_DISABLE_ENV_FILE=1 \
        ${COMPOSE_FILE:+HTTPS_PORT="$HTTPS_PORT" HTTP_PORT="$HTTP_PORT" AMQPS_PORT="$AMQPS_PORT" KIBANA_PORT="$KIBANA_PORT"} \
        "${compose_program[@]}" "${files[@]}" --profile '*' config --format json 2>"$folder/complaints" ||
        fail "Docker Compose refuses $*: $(cat -- "$folder/complaints")"
    [[ ! -s $folder/complaints ]] || fail "Docker Compose warns about $*: $(cat -- "$folder/complaints")"
}

check_compose() {
    need_compose
    say "checking the compose files with Docker Compose $("${compose_program[@]}" version --short)"
    resolved docker-compose.yml >"$folder/stack.json"
    resolved docker-compose.yml docker-compose.dev.yml >"$folder/development.json"
    resolved docker-compose.yml containers/smoke-test/compose.yml >/dev/null
    (
        unset HTTPS_PORT HTTP_PORT AMQPS_PORT KIBANA_PORT
        use_everything
        resolved docker-compose.yml containers/everything.yml >"$folder/everything.json"
    )
    python3 containers/check-stack.py "$folder/stack.json" "$folder/development.json" "$folder/everything.json"
}

# Whether nginx's settings are made from a resolv.conf and a port: makes_settings RESOLV.CONF
# HTTPS_PORT TEXT…
makes_settings() {
    local text
    printf '%s\n' "$1" >"$folder/resolv.conf"
    HTTPS_PORT=$2 sh containers/nginx/settings.sh "$folder/settings.conf" "$folder/resolv.conf" || return 1
    for text in "${@:3}"; do
        grep --quiet --fixed-strings -- "$text" "$folder/settings.conf" || return 1
    done
}

check_nginx() {
    local nginx version ports=() _ token padding
    need_packages nginx-light curl
    nginx=$(program nginx)
    version=$("$nginx" -v 2>&1 | sed 's/.*nginx\/\([0-9.]*\).*/\1/')
    say "checking the configuration of nginx by running nginx $version"
    makes_settings $'search example.org\nnameserver 10.89.0.1\nnameserver fd00::1\nnameserver fe80::1%eth0' 443 'resolver 10.89.0.1 [fd00::1] valid=2s' 'default ""' ||
        fail "containers/nginx/settings.sh does not take the name servers of /etc/resolv.conf"
    ! makes_settings 'options ndots:0' 443 2>/dev/null || fail "containers/nginx/settings.sh accepts a resolv.conf without a name server"
    makes_settings 'nameserver 127.0.0.11' 192.0.2.1:8443 'default ":8443"' || fail "containers/nginx/settings.sh does not take the published port"
    for _ in 1 2 3 4; do
        ports+=("$(free_port "${ports[@]}")")
    done
    # With one more server, which shows the key by which a user's requests are limited.
    sed "s|/tmp/|$folder/|; s|/var/log/nginx/|$folder/|
         s|listen 8080 |listen 127.0.0.1:${ports[0]} |; s|listen 8443 |listen 127.0.0.1:${ports[1]} |; s|listen 5601 |listen 127.0.0.1:${ports[2]} |
         s|^    upstream app {|    server { listen 127.0.0.1:${ports[3]}; return 200 \$user_key; }\n&|
         s|/run/secrets/tls_certificate|$SECRETS_DIR/tls_certificate.pem|; s|/run/secrets/tls_key|$SECRETS_DIR/tls_key.pem|" containers/nginx/nginx.conf >"$folder/nginx.conf"
    # Versions before 1.27.3 cannot resolve the names of upstreams while they run, and have no
    # directive `http2`.
    if [[ $(printf '%s\n1.27.3\n' "$version" | sort --version-sort | head --lines=1) != 1.27.3 ]]; then
        sed -i 's/ resolve max_fails/ max_fails/; s/server app:5000/server 127.0.0.1:1/; s/^ *http2 on;//' "$folder/nginx.conf"
    fi
    "$nginx" -t -q -e /dev/stderr -c "$folder/nginx.conf" || fail "nginx refuses containers/nginx/nginx.conf"
    start_apart "$folder/nginx.log" "$nginx" -e "$folder/error.log" -c "$folder/nginx.conf" -g 'daemon off;'
    wait_until_it nginx "$folder/nginx.log" port_is_open "${ports[2]}"
    [[ $(asked_of_nginx --output /dev/null --write-out '%{redirect_url}' "http://localhost:${ports[0]}/a?b") == 'https://localhost:8443/a?b' ]] ||
        fail "HTTP is not redirected to the published HTTPS port"
    token=ey.part.of_a-signature_that_is_long_enough-123
    for padding in '' ' ' $'\t' $' \t '; do
        [[ $(asked_of_nginx --header "Authorization: bearer  $token$padding" "http://localhost:${ports[3]}/") == "${token: -32}" ]] ||
            fail "space after a token changes the key of its user's limit"
    done
    [[ $(asked_of_nginx "https://localhost:${ports[1]}/") == *'"code":"unavailable"'* ]] || fail "nginx does not answer for a missing service"
    [[ $(asked_of_nginx "https://localhost:${ports[2]}/") == 'Kibana does not answer'* ]] || fail "nginx does not answer for a missing Kibana"
    stop_private_servers
    python3 -c 'import json, sys; [json.loads(line) for line in sys.stdin]' <"$folder/access.json" || fail "the access log of nginx is not JSON"
}

asked_of_nginx() {
    curl --silent --max-time 10 --noproxy '*' --cacert "$SECRETS_DIR/tls_authority.pem" "$@"
}

check_mysql() {
    mkdir -- "$folder/binlog"
    sed "s|/var/lib/mysql-binlog/|$folder/binlog/|; s|/var/log/mysql/|$folder/|
         s|/run/secrets/mysql_certificate|$SECRETS_DIR/mysql_certificate.pem|; s|/run/secrets/mysql_key|$SECRETS_DIR/mysql_key.pem|" containers/mysql/mymonit.cnf >"$folder/mymonit.cnf"
    openssl verify -CAfile "$SECRETS_DIR/mysql_authority.pem" -verify_hostname mysql -purpose sslserver "$SECRETS_DIR/mysql_certificate.pem" >/dev/null ||
        fail "the database's certificate does not prove its name"
    openssl x509 -in "$SECRETS_DIR/mysql_certificate.pem" -noout -text | grep -q 'Version: 3' || fail "the database's certificate is not of X.509 version 3"
    if [[ -n ${MYMONIT_TEST_SERVERS-} ]]; then
        check_mysql_itself "$MYMONIT_TEST_SERVERS"
        return
    fi
    need_packages mariadb-server-core
    say "checking the configuration of mysql with $("$(program mariadbd)" --version | sed 's/.*Ver \([^ ]*\).*/MariaDB \1/')"
    # It ends at unknown and impossible settings.
    "$(program mariadbd)" --defaults-file="$folder/mymonit.cnf" --datadir="$folder" --user="$(id --user --name)" \
        --help --verbose >/dev/null 2>"$folder/mysql.log" || fail "MariaDB refuses containers/mysql/mymonit.cnf: $(cat -- "$folder/mysql.log")"
}

# Images are pinned by digest, once and for each new version, unless the site has set them. Uses a
# fake Docker.
check_pins() {
    local pins=$folder/pins digest=sha256:0123
    say "checking how images are pinned"
    mkdir -p -- "$pins/bin"
    cat >"$pins/bin/docker" <<DOCKER
#!/bin/sh
echo "\$*" >>"$pins/asked"
case "\$*" in *inspect*mysql*) ;; *inspect*) echo "registry/\${5%%:*}@\$(cat "$pins/digest")" ;; esac
DOCKER
    chmod 700 -- "$pins/bin/docker"
    printf '%s\n' "$digest" >"$pins/digest"
    sed -E 's/(nginx|mysql|rabbitmq):[0-9]+[.][0-9.]+/\1:1.0/' docker-compose.yml >"$pins/docker-compose.yml"
    printf 'FIREBASE_PROJECT_ID=x\nNGINX_IMAGE=mirror.example.org/nginx:2\n' >"$pins/.env"
    pin_in "$pins" NGINX RABBIT MYSQL
    [[ $(<"$pins/.env") == "FIREBASE_PROJECT_ID=x
NGINX_IMAGE=mirror.example.org/nginx:2
RABBIT_IMAGE=rabbitmq:1.0-management@$digest # pinned by run.sh" ]] || fail "images are not pinned: $(<"$pins/.env")"
    # A pinned image is pulled no more, and a newer one under its name is not taken.
    rm -- "$pins/asked"
    echo sha256:4567 >"$pins/digest"
    pin_in "$pins" RABBIT
    [[ ! -e $pins/asked ]] || fail "a pinned image is pulled again: $(<"$pins/asked")"
    sed -i 's/rabbitmq:1.0/rabbitmq:1.1/' "$pins/docker-compose.yml"
    pin_in "$pins" RABBIT
    [[ $(grep RABBIT "$pins/.env") == 'RABBIT_IMAGE=rabbitmq:1.1-management@sha256:4567 # pinned by run.sh' ]] ||
        fail "the image of a new version is not pinned: $(<"$pins/.env")"
    # As Compose reads it.
    [[ $(cd -- "$pins" && SECRETS_DIR=$SECRETS_DIR "${compose_program[@]}" config --format json) == *'"RABBIT_IMAGE": "rabbitmq:1.1-management@sha256:4567"'* ]] ||
        fail "Docker Compose does not read the pinned image"
}

# pin_images in another folder: pin_in FOLDER NAME…
pin_in() {
    (cd -- "$1" && PATH=$1/bin:$PATH pin_images "${@:2}" >/dev/null)
}

# Clients and Logstash verify each other by certificates of one authority.
check_logstash_certificates() {
    openssl verify -CAfile "$SECRETS_DIR/logstash_authority.pem" -verify_hostname logstash -purpose sslserver "$SECRETS_DIR/logstash_certificate.pem" >/dev/null ||
        fail "Logstash's certificate does not prove its name"
    openssl verify -CAfile "$SECRETS_DIR/logstash_authority.pem" -purpose sslclient "$SECRETS_DIR/logstash_client.pem" >/dev/null ||
        fail "the certificate of Logstash's clients is none of the authority"
    [[ $(openssl pkey -in "$SECRETS_DIR/logstash_client.pem" -pubout) == $(openssl x509 -in "$SECRETS_DIR/logstash_client.pem" -noout -pubkey) ]] ||
        fail "the certificate of Logstash's clients has another key"
    grep -q -- '-BEGIN PRIVATE KEY-' "$SECRETS_DIR/logstash_key.pem" || fail "Logstash's key is not in PKCS 8"
}

silently() {
    "$@" >/dev/null 2>&1
}

# Starts MySQL with its configuration, runs accounts.sh as the image does on an empty volume, and
# tries what the accounts may do.
check_mysql_itself() {
    local server=$1/usr/sbin/mysqld client=$1/usr/bin/mysql port data=$folder/mysql wanted_until
    say "checking the configuration of mysql by running $("$server" --no-defaults --version | sed 's/.*Ver \([^ ]*\).*/MySQL \1/')"
    local options=("--defaults-file=$folder/mymonit.cnf" "--datadir=$data" "--user=$(id --user --name)" --secure-file-priv=NULL)
    "$server" "${options[@]}" --validate-config 2>"$folder/mysql.log" || fail "MySQL refuses containers/mysql/mymonit.cnf: $(cat -- "$folder/mysql.log")"
    ! grep --invert-match "'loose-" "$folder/mysql.log" || fail "MySQL warns about containers/mysql/mymonit.cnf"
    "$server" "${options[@]}" --initialize-insecure || fail "MySQL cannot make its files: $(cat -- "$folder/error.log")"
    port=$(free_port)
    start_apart "$folder/mysql.log" "$server" "${options[@]}" --bind-address=127.0.0.1 --port="$port" --socket="$folder/mysql.sock" --pid-file="$folder/mysql.pid"
    local root=("$client" --no-defaults --user=root --socket="$folder/mysql.sock")
    # Before it has an account for TCP it refuses every TCP client.
    wait_until_it MySQL "$folder/error.log" silently "${root[@]}" --execute='DO 1'
    "${root[@]}" --execute="ALTER USER root@localhost IDENTIFIED BY '$(cat -- "$SECRETS_DIR/mysql_root_password")'; CREATE DATABASE my_monit"
    mkdir -- "$folder/bin"
    printf '#!/bin/sh\nexec %q --no-defaults --socket=%q "$@"\n' "$client" "$folder/mysql.sock" >"$folder/bin/mysql"
    chmod 700 -- "$folder/bin/mysql"
    sed "s|/run/secrets/|$SECRETS_DIR/|g" containers/mysql/accounts.sh >"$folder/accounts.sh"
    # Twice, as on an installation that has the accounts.
    for _ in 1 2; do
        PATH=$folder/bin:$PATH bash -euo pipefail "$folder/accounts.sh" || fail "MySQL refuses containers/mysql/accounts.sh"
    done
    # By TCP, as the service: it may write rows, and nothing else.
    local by_tcp=("$client" --no-defaults --host=127.0.0.1 --port="$port" my_monit)
    local migration=(env "MYSQL_PWD=$(cat -- "$SECRETS_DIR/mysql_migration_password")" "${by_tcp[@]}" --user=migration)
    local service=(env "MYSQL_PWD=$(cat -- "$SECRETS_DIR/mysql_service_password")" "${by_tcp[@]}" --user=mymonit) statement
    "${migration[@]}" --execute='CREATE TABLE T (N INT PRIMARY KEY); ALTER TABLE T ADD COLUMN M INT; CREATE INDEX I ON T (M)' ||
        fail "the account migration may not migrate"
    "${service[@]}" --execute='INSERT INTO T VALUES (1, 1)' || fail "the service's account may not write"
    for statement in 'CREATE TABLE U (N INT PRIMARY KEY)' 'ALTER TABLE T ADD COLUMN L INT' 'DROP TABLE T' 'TRUNCATE TABLE T'; do
        ! "${service[@]}" --execute="$statement" 2>/dev/null || fail "the service's account may change the schema: $statement"
    done
    ! "${migration[@]}" --ssl-mode=DISABLED --execute='DO 1' 2>/dev/null || fail "the account migration may sign in without TLS"
    "${service[@]}" --ssl-mode=VERIFY_IDENTITY --ssl-ca="$SECRETS_DIR/mysql_authority.pem" --execute='DO 1' || fail "MySQL does not present the certificate"
    ! "${service[@]}" --ssl-mode=DISABLED --execute='DO 1' 2>/dev/null || fail "the service's account may sign in without TLS"
    ! "${service[@]}" --execute='CREATE DATABASE other' 2>/dev/null || fail "the service's account may create databases"
    local -x MYSQL_PWD
    MYSQL_PWD=$(cat -- "$SECRETS_DIR/mysql_backup_password")
    "$1/usr/bin/mysqldump" --defaults-file="$folder/mymonit.cnf" --socket="$folder/mysql.sock" --user=backup my_monit >"$folder/dump.sql" 2>"$folder/dump.log" ||
        fail "the account of the backup cannot save the database: $(cat -- "$folder/dump.log")"
    [[ ! -s $folder/dump.log ]] || fail "mysqldump warns: $(cat -- "$folder/dump.log")"
    tail --lines=1 -- "$folder/dump.sql" | grep -q '^-- Dump completed' || fail "the dump of the database is not whole"
    grep -q "^-- CHANGE REPLICATION SOURCE TO .*LOG_FILE='binlog" "$folder/dump.sql" || fail "the dump has no position in the binary log"
    check_slow_statements
    # Two changes after the dump, of which the second is unwanted.
    "${service[@]}" --execute='INSERT INTO T VALUES (2, 2)'
    sleep 2
    wanted_until=$(date --utc '+%Y-%m-%d %H:%M:%S')
    sleep 1
    "${service[@]}" --execute='DELETE FROM T'
    root+=("--password=$(cat -- "$SECRETS_DIR/mysql_root_password")")
    unset MYSQL_PWD
    "${root[@]}" --execute='DROP TABLE my_monit.T' 2>/dev/null
    "${root[@]}" my_monit <"$folder/dump.sql" 2>/dev/null || fail "the dump of the database cannot be restored"
    gzip --keep -- "$folder/dump.sql"
    PATH=$1/usr/bin:$PATH changes_since "$folder/dump.sql.gz" "$folder/binlog" "$wanted_until" >"$folder/changes.sql" || fail "the changes after the backup cannot be read"
    "${root[@]}" <"$folder/changes.sql" 2>/dev/null || fail "the changes after the backup cannot be applied"
    [[ $("${service[@]}" --skip-column-names --execute='SELECT SUM(N) FROM T') == 3 ]] || fail "the restored rows are not those of $wanted_until"
    stop_private_servers
    ! grep '\[ERROR\]' "$folder/error.log" || fail "MySQL logged errors"
}

# Slow statements are logged once, as JSON, and without their values. Uses `service` and `folder` of
# its caller.
check_slow_statements() {
    local lines
    "${service[@]}" --execute="SELECT SLEEP(1.1), 'ada@example.org'" >/dev/null
    for lines in first second; do
        "$folder/bin/mysql" --user=backup --batch --skip-column-names --raw <containers/mysql/statements.sql >"$folder/$lines.json" ||
            fail "the account of the backup cannot take the statistics of statements"
    done
    python3 - "$folder/first.json" <<'PYTHON' || fail "slow statements are not logged as they should be: $(cat -- "$folder/first.json")"
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
[slow] = [line for line in lines if "SLEEP" in line["message"]]
assert slow["mysql.seconds_max"] >= 1 and slow["@timestamp"].endswith("Z") and "ada" not in json.dumps(lines), lines
PYTHON
    ! grep -q SLEEP "$folder/second.json" || fail "slow statements are logged twice"
}

check_rabbit() {
    local port tls_port management_port prometheus_port options
    [[ -n ${MYMONIT_TEST_SERVERS-} ]] || need_packages rabbitmq-server
    port=$(free_port)
    tls_port=$(free_port "$port")
    management_port=$(free_port "$port" "$tls_port")
    prometheus_port=$(free_port "$port" "$tls_port" "$management_port")
    say "checking the configuration of rabbit by running it"
    mkdir -p -- "$folder/rabbit" "$folder/definitions"
    cp containers/rabbit/enabled_plugins "$folder/rabbit/"
    cp containers/rabbit/definitions.json "$folder/definitions/10-topology.json"
    cp "$SECRETS_DIR/rabbit_accounts.json" "$folder/definitions/20-accounts.json"
    sed "s|^listeners.tcp.default = .*|listeners.tcp.default = 127.0.0.1:$port|; s|^listeners.ssl.default = .*|listeners.ssl.default = 127.0.0.1:$tls_port|
         s|^management.tcp.port = .*|management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = $management_port|
         s|^prometheus.tcp.port = .*|prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = $prometheus_port|
         s|/run/secrets/tls_certificate|$SECRETS_DIR/tls_certificate.pem|; s|/run/secrets/tls_key|$SECRETS_DIR/tls_key.pem|
         s|/etc/rabbitmq/definitions|$folder/definitions|; s|/var/log/rabbitmq|$folder/rabbit|" containers/rabbit/rabbitmq.conf >"$folder/rabbitmq.conf"
    start_private_rabbitmq "$folder/rabbit" "$port" "$folder/rabbitmq.conf"
    say "it is RabbitMQ $("$folder/rabbit/rabbitmqctl" --quiet version)"
    {
        "$folder/rabbit/rabbitmqctl" --quiet list_policies
        "$folder/rabbit/rabbitmqctl" --quiet list_bindings source_name destination_name routing_key
        "$folder/rabbit/rabbitmqctl" --quiet list_permissions
        "$folder/rabbit/rabbitmqctl" --quiet list_users
    } >"$folder/broker"
    local expected
    for expected in $'^/\tmeasures\t^measures$\tqueues\t{.*reject-publish' $'^mymonit\tmeasures\tmeasures$' $'^mymonit\t^(mymonit|measures)$\t^(measures|amq\\[.\\]default)$\t' $'^monitoring\t\[monitoring\]'; do
        grep -q -- "${expected//\^(mymonit|measures)\$/.*}" "$folder/broker" || fail "the broker has no $expected: $(cat -- "$folder/broker")"
    done
    # Setting one of these options drops RabbitMQ's defaults of the others.
    options='[{backlog,128}, {exit_on_close,false}, {linger,{true,0}}, {nodelay,true}, {send_timeout,600000}]'
    [[ $("$folder/rabbit/rabbitmqctl" --quiet eval "{ok, Options} = application:get_env(rabbit, tcp_listen_options), lists:sort(Options) == $options.") == true ]] ||
        fail "the options of the broker's listeners are not $options"
    [[ $("$folder/rabbit/rabbitmqctl" --quiet eval 'application:get_env(rabbit, max_message_size).') == '{ok,8388608}' ]] ||
        fail "the broker's max_message_size is not 8 MiB"
    ! grep -q '^guest' "$folder/broker" || fail "the broker has an account guest"
    "$folder/rabbit/rabbitmqctl" --quiet authenticate_user mymonit "$(cat -- "$SECRETS_DIR/rabbit_service_password")" >/dev/null ||
        fail "the broker refuses the password of the service"
    printf 'password' | adapter_definitions meter >"$folder/meter.json"
    "$folder/rabbit/rabbitmqctl" --quiet import_definitions "$folder/meter.json" >/dev/null || fail "the broker refuses the account of an adapter"
    "$folder/rabbit/rabbitmqctl" --quiet authenticate_user meter password >/dev/null || fail "the broker refuses the password of an adapter"
    [[ $("$folder/rabbit/rabbitmqctl" --quiet list_user_limits --user meter) == *'"max-connections":16'* ]] || fail "the connections of an adapter are not limited"
    echo | openssl s_client -connect "127.0.0.1:$tls_port" -CAfile "$SECRETS_DIR/tls_authority.pem" -verify_return_error -verify_hostname localhost >/dev/null 2>"$folder/tls.log" ||
        fail "the broker's TLS port does not present the certificate: $(cat -- "$folder/tls.log")"
    stop_private_servers
}

check_alerts() {
    need_packages prometheus prometheus-alertmanager
    say "checking the delivery of alerts with $(prometheus-alertmanager --version 2>&1 | head --lines=1)"
    mkdir -- "$folder/alerts"
    python3 containers/check-alerts.py "$folder/alerts"
}

check_elastic() {
    need_packages curl
    say "checking the set-up of Elasticsearch against a stand-in"
    python3 containers/check-elastic.py "$SECRETS_DIR" || fail "containers/elasticsearch/setup.sh does not set up Elasticsearch"
}

need_packages openssl
make_secrets
check_compose
check_pins
check_logstash_certificates
check_nginx
check_mysql
check_rabbit
check_alerts
check_elastic
say "checking the data views and dashboards"
python3 containers/kibana/make-saved-objects.py | cmp - containers/kibana/saved-objects.ndjson ||
    fail "containers/kibana/saved-objects.ndjson is not what make-saved-objects.py makes"
say "the configuration is accepted"
