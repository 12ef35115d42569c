#!/usr/bin/env bash
# Has the configuration of each container read by the program that it is for, as far as Debian has it. ./run-tests.sh runs this. That of
# Prometheus is checked there by promtool, that of Logstash, Elasticsearch, Filebeat and Kibana by a test of the fields
# (crates/app/tests/it/log_fields.rs), since none of these programs is in Debian.
#
# Where MYMONIT_TEST_SERVERS names a folder of unpacked servers, as in ./run-tests.sh --newest-servers, the database's and the broker's
# configuration are read by MySQL itself and by that RabbitMQ, in place of this machine's MariaDB and RabbitMQ.
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

# Docker Compose 2, which reads files without an engine: that of this machine, or the one of Debian's stable release, unpacked and not
# installed, since older releases have only version 1.
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

# What Compose makes of the files, as JSON. Whatever it has to complain of is too much.
resolved() {
    local files=() file
    for file in "$@"; do
        files+=(--file "$file")
    done
    # No .env of this machine and none of its variables has a say in it.
    env --ignore-environment PATH="$PATH" DOCKER_CONFIG="${DOCKER_CONFIG:-${HOME-}/.docker}" SECRETS_DIR="$SECRETS_DIR" COMPOSE_DISABLE_ENV_FILE=1 \
        "${compose_program[@]}" "${files[@]}" --profile '*' config --format json 2>"$folder/complaints" ||
        fail "Docker Compose refuses $*: $(cat -- "$folder/complaints")"
    [[ ! -s $folder/complaints ]] || fail "Docker Compose complains of $*: $(cat -- "$folder/complaints")"
}

check_compose() {
    need_compose
    say "checking the compose files with Docker Compose $("${compose_program[@]}" version --short)"
    resolved docker-compose.yml >"$folder/stack.json"
    resolved docker-compose.yml docker-compose.dev.yml >"$folder/development.json"
    resolved docker-compose.yml containers/smoke-test/compose.yml >/dev/null
    python3 containers/check-stack.py "$folder/stack.json" "$folder/development.json"
}

check_nginx() {
    local nginx version
    need_packages nginx-light
    nginx=$(program nginx)
    version=$("$nginx" -v 2>&1 | sed 's/.*nginx\/\([0-9.]*\).*/\1/')
    say "checking the configuration of nginx with nginx $version"
    sed "s|/tmp/|$folder/|; s|/var/log/nginx/|$folder/|
         s|/run/secrets/tls_certificate|$SECRETS_DIR/tls_certificate.pem|; s|/run/secrets/tls_key|$SECRETS_DIR/tls_key.pem|" containers/nginx/nginx.conf >"$folder/nginx.conf"
    # The container's nginx looks up its upstreams by itself and has HTTP/2 as a directive of its own; older ones know neither.
    if [[ $(printf '%s\n1.27.3\n' "$version" | sort --version-sort | head --lines=1) != 1.27.3 ]]; then
        sed -i 's/ resolve max_fails/ max_fails/; s/server app:5000/server 127.0.0.1:5000/; s/^ *http2 on;//' "$folder/nginx.conf"
    fi
    "$nginx" -t -q -e /dev/stderr -c "$folder/nginx.conf" || fail "nginx refuses containers/nginx/nginx.conf"
    # The log lines are JSON, which the server itself does not check.
    grep -q 'log_format ecs escape=json' "$folder/nginx.conf" || fail "the access log of nginx is no JSON"
}

check_mysql() {
    sed "s|/var/lib/mysql/|$folder/|; s|/var/log/mysql/|$folder/|" containers/mysql/mymonit.cnf >"$folder/mymonit.cnf"
    if [[ -n ${MYMONIT_TEST_SERVERS-} ]]; then
        check_mysql_itself "$MYMONIT_TEST_SERVERS"
        return
    fi
    need_packages mariadb-server-core
    say "checking the configuration of mysql with $("$(program mariadbd)" --version | sed 's/.*Ver \([^ ]*\).*/MariaDB \1/')"
    # Unknown or impossible settings end it.
    "$(program mariadbd)" --defaults-file="$folder/mymonit.cnf" --datadir="$folder" --user="$(id --user --name)" \
        --help --verbose >/dev/null 2>"$folder/mysql.log" || fail "MariaDB refuses containers/mysql/mymonit.cnf: $(cat -- "$folder/mysql.log")"
}

silently() {
    "$@" >/dev/null 2>&1
}

# Has MySQL read its configuration, starts it with that, and has accounts.sh make the accounts, as the image does on an empty volume.
check_mysql_itself() {
    local server=$1/usr/sbin/mysqld client=$1/usr/bin/mysql port data=$folder/mysql
    say "checking the configuration of mysql by running $("$server" --no-defaults --version | sed 's/.*Ver \([^ ]*\).*/MySQL \1/')"
    local options=("--defaults-file=$folder/mymonit.cnf" "--datadir=$data" "--user=$(id --user --name)" --secure-file-priv=NULL)
    "$server" "${options[@]}" --validate-config 2>"$folder/mysql.log" || fail "MySQL refuses containers/mysql/mymonit.cnf: $(cat -- "$folder/mysql.log")"
    ! grep --invert-match "'loose-" "$folder/mysql.log" || fail "MySQL complains of containers/mysql/mymonit.cnf"
    "$server" "${options[@]}" --initialize-insecure || fail "MySQL cannot make its files: $(cat -- "$folder/error.log")"
    port=$(free_port)
    start_apart "$folder/mysql.log" "$server" "${options[@]}" --bind-address=127.0.0.1 --port="$port" --socket="$folder/mysql.sock" --pid-file="$folder/mysql.pid"
    local root=("$client" --no-defaults --user=root --socket="$folder/mysql.sock")
    # Over TCP it turns everybody away before there is an account for it.
    wait_until_it MySQL "$folder/error.log" silently "${root[@]}" --execute='DO 1'
    "${root[@]}" --execute="ALTER USER root@localhost IDENTIFIED BY '$(cat -- "$SECRETS_DIR/mysql_root_password")'; CREATE DATABASE my_monit"
    mkdir -- "$folder/bin"
    printf '#!/bin/sh\nexec %q --no-defaults --socket=%q "$@"\n' "$client" "$folder/mysql.sock" >"$folder/bin/mysql"
    chmod 700 -- "$folder/bin/mysql"
    sed "s|/run/secrets/|$SECRETS_DIR/|g" containers/mysql/accounts.sh >"$folder/accounts.sh"
    PATH=$folder/bin:$PATH bash -euo pipefail "$folder/accounts.sh" || fail "MySQL refuses containers/mysql/accounts.sh"
    # Over TCP, as the service comes in: what its migrations do is allowed, and nothing else.
    local service=(env "MYSQL_PWD=$(cat -- "$SECRETS_DIR/mysql_service_password")" "$client" --no-defaults --host=127.0.0.1 --port="$port" --user=mymonit my_monit)
    "${service[@]}" --execute='CREATE TABLE T (N INT PRIMARY KEY); INSERT INTO T VALUES (1); ALTER TABLE T ADD COLUMN M INT; CREATE INDEX I ON T (M)' ||
        fail "the service may not do what it has to"
    ! "${service[@]}" --execute='CREATE DATABASE other' 2>/dev/null || fail "the service may make databases"
    MYSQL_PWD=$(cat -- "$SECRETS_DIR/mysql_backup_password") "$1/usr/bin/mysqldump" --no-defaults --socket="$folder/mysql.sock" --user=backup \
        --single-transaction --quick --no-tablespaces --hex-blob --default-character-set=utf8mb4 \
        --loose-set-gtid-purged=OFF --loose-skip-masking-policies my_monit >"$folder/dump.sql" 2>"$folder/dump.log" ||
        fail "the account of the backup cannot save the database: $(cat -- "$folder/dump.log")"
    [[ ! -s $folder/dump.log ]] || fail "saving the database is not all well: $(cat -- "$folder/dump.log")"
    tail --lines=1 -- "$folder/dump.sql" | grep -q '^-- Dump completed' || fail "the dump of the database is not whole"
    root+=("--password=$(cat -- "$SECRETS_DIR/mysql_root_password")")
    "${root[@]}" --execute='DROP TABLE my_monit.T' 2>/dev/null
    "${root[@]}" my_monit <"$folder/dump.sql" 2>/dev/null || fail "the dump of the database cannot be restored"
    "${service[@]}" --execute='SELECT N FROM T' >/dev/null || fail "what was restored is not there"
    stop_private_servers
    ! grep '\[ERROR\]' "$folder/error.log" || fail "MySQL ran into errors"
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
    for expected in $'^/\tmeasures\t^measures$\tqueues\t{.*reject-publish' $'^mymonit\tmeasures\tmeasures$' $'^mymonit\t^(mymonit|measures)$\t^measures$\t' $'^monitoring\t\[monitoring\]'; do
        grep -q -- "${expected//\^(mymonit|measures)\$/.*}" "$folder/broker" || fail "the broker does not have $expected: $(cat -- "$folder/broker")"
    done
    # RabbitMQ's defaults hold no longer once one of these options is set, so all of them must be there.
    options='[{backlog,128}, {exit_on_close,false}, {linger,{true,0}}, {nodelay,true}, {send_timeout,600000}]'
    [[ $("$folder/rabbit/rabbitmqctl" --quiet eval "{ok, Options} = application:get_env(rabbit, tcp_listen_options), lists:sort(Options) == $options.") == true ]] ||
        fail "the options of the broker's listeners are not $options"
    ! grep -q '^guest' "$folder/broker" || fail "the broker has made an account guest"
    "$folder/rabbit/rabbitmqctl" --quiet authenticate_user mymonit "$(cat -- "$SECRETS_DIR/rabbit_service_password")" >/dev/null ||
        fail "the broker does not know the service by its password"
    echo | openssl s_client -connect "127.0.0.1:$tls_port" -CAfile "$SECRETS_DIR/tls_authority.pem" -verify_return_error -verify_hostname localhost >/dev/null 2>"$folder/tls.log" ||
        fail "the broker's TLS port does not show the certificate: $(cat -- "$folder/tls.log")"
    stop_private_servers
}

need_packages openssl
make_secrets
check_compose
check_nginx
check_mysql
check_rabbit
say "checking the data views and dashboards"
python3 containers/kibana/make-saved-objects.py | cmp - containers/kibana/saved-objects.ndjson ||
    fail "containers/kibana/saved-objects.ndjson is not what make-saved-objects.py makes"
say "everything is accepted"
