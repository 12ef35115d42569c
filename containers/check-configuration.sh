#!/usr/bin/env bash
# Has the configuration of each container read by the program that it is for, as far as Debian has it. ./run-tests.sh runs this. That of
# Prometheus is checked there by promtool, that of Logstash, Elasticsearch, Filebeat and Kibana by a test of the fields
# (crates/app/tests/it/log_fields.rs), since none of these programs is in Debian.
set -euo pipefail
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."
# shellcheck source=scripts/machine.sh
source scripts/machine.sh
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
    command -v apt-get >/dev/null || fail "missing on this machine, which is no Debian: Docker Compose 2"
    say "fetching Debian's Docker Compose 2"
    mkdir -p -- "$folder/apt/lists/partial" "$folder/apt/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) trixie main" >"$folder/apt/sources.list"
    local options=(-qq -o "Dir::Etc::sourcelist=$folder/apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$folder/apt/lists"
        -o "Dir::Cache=$folder/apt" -o APT::Sandbox::User= -o Acquire::Languages=none)
    apt-get "${options[@]}" update
    (cd -- "$folder/apt" && apt-get "${options[@]}" download docker-compose)
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
    need_packages mariadb-server-core
    say "checking the configuration of mysql with $("$(program mariadbd)" --version | sed 's/.*Ver \([^ ]*\).*/MariaDB \1/')"
    sed "s|/var/lib/mysql/|$folder/|; s|/var/log/mysql/|$folder/|" containers/mysql/mymonit.cnf >"$folder/mymonit.cnf"
    # Unknown or impossible settings end it.
    "$(program mariadbd)" --defaults-file="$folder/mymonit.cnf" --datadir="$folder" --user="$(id --user --name)" \
        --help --verbose >/dev/null 2>"$folder/mysql.log" || fail "MariaDB refuses containers/mysql/mymonit.cnf: $(cat -- "$folder/mysql.log")"
}

check_rabbit() {
    local port tls_port
    need_packages rabbitmq-server
    port=$(free_port)
    tls_port=$(free_port)
    say "checking the configuration of rabbit by running it"
    mkdir -p -- "$folder/rabbit" "$folder/definitions"
    cp containers/rabbit/enabled_plugins "$folder/rabbit/"
    cp containers/rabbit/definitions.json "$folder/definitions/10-topology.json"
    cp "$SECRETS_DIR/rabbit_accounts.json" "$folder/definitions/20-accounts.json"
    sed "s|^listeners.tcp.default = .*|listeners.tcp.default = 127.0.0.1:$port|; s|^listeners.ssl.default = .*|listeners.ssl.default = 127.0.0.1:$tls_port|
         s|^management.tcp.port = .*|management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = $(free_port)|
         s|^prometheus.tcp.port = .*|prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = $(free_port)|
         s|/run/secrets/tls_certificate|$SECRETS_DIR/tls_certificate.pem|; s|/run/secrets/tls_key|$SECRETS_DIR/tls_key.pem|
         s|/etc/rabbitmq/definitions|$folder/definitions|; s|/var/log/rabbitmq|$folder/rabbit|" containers/rabbit/rabbitmq.conf >"$folder/rabbitmq.conf"
    start_private_rabbitmq "$folder/rabbit" "$port" "$folder/rabbitmq.conf"
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
