#!/usr/bin/env bash
# Starts database and broker for development, without the service: a MySQL-compatible database on
# port 3306 and RabbitMQ on port 5672, both on 127.0.0.1, with their data in ./data/infra/. It uses
# servers that answer there already.
#
#   ./run-infra.sh                until Ctrl-C
#   ./run-infra.sh --background   returns when both answer
#   ./run-infra.sh --stop         stops what --background started
set -euo pipefail
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")"
# shellcheck source=scripts/machine.sh
source scripts/machine.sh
# shellcheck source=scripts/private-servers.sh
source scripts/private-servers.sh
# shellcheck source=scripts/secrets.sh
source scripts/secrets.sh
# shellcheck source=scripts/stack.sh
source scripts/stack.sh

readonly data_folder=data/infra
readonly pid_file=$data_folder/background.pid
readonly background_log=$data_folder/background.log
watching_containers=

clean_up() {
    # No failure (the terminal may be gone) and no second Ctrl-C may interrupt the clean-up.
    set +e
    trap '' HUP INT TERM
    allow_service_starts
    if [[ -n $watching_containers ]]; then
        say "stopping the containers; their data stays"
        compose --progress quiet stop mysql rabbit
    fi
    if ((${#private_servers[@]} > 0)); then
        say "stopping the servers"
        stop_private_servers
    fi
}

# The process that --background started, if it runs.
background_process() {
    local pid
    # The number may belong to another process by now.
    if [[ -e $pid_file ]] && read -r pid <"$pid_file" && grep -qs run-infra.sh "/proc/$pid/cmdline"; then
        printf '%s' "$pid"
    fi
}

stop_background() {
    local pid
    pid=$(background_process)
    if [[ -z $pid ]]; then
        say "nothing is running in the background"
        return
    fi
    say "stopping the background servers"
    # It stops its two servers in turn.
    end_process "$pid" 150
    rm -f -- "$pid_file"
}

start_in_background() {
    local pid
    mkdir -p -- "$data_folder"
    if [[ -n $(background_process) ]]; then
        say "the servers run in the background already; ./run-infra.sh --stop stops them"
        print_addresses
        return
    fi
    if speaks_mysql 3306 && speaks_amqp 5672; then
        say "database and broker answer already; started nothing"
        print_addresses
        return
    fi
    # In the foreground, where a password can be typed.
    need_programs
    setsid ./run-infra.sh </dev/null >"$background_log" 2>&1 &
    pid=$!
    printf '%s\n' "$pid" >"$pid_file"
    until speaks_mysql 3306 && speaks_amqp 5672; do
        if ! kill -0 "$pid" 2>/dev/null; then
            cat -- "$background_log" >&2
            fail "the servers did not start; above is their log"
        fi
        sleep 0.1
    done
    print_addresses
    say "./run-infra.sh --stop stops them"
}

need_programs() {
    speaks_mysql 3306 || need_packages mariadb-server-core mariadb-client-core
    speaks_amqp 5672 || need_packages rabbitmq-server
}

# Makes the database on a server that was running, if its root has the default password.
use_running_database() {
    local client
    say "a database server answers on port 3306 already; using it"
    if client=$(program mariadb || program mysql) &&
        MYSQL_PWD=password "$client" --no-defaults --host=127.0.0.1 --port=3306 --user=root \
            --execute='CREATE DATABASE IF NOT EXISTS my_monit CHARACTER SET utf8mb4' >/dev/null 2>&1; then
        return
    fi
    say "it refuses root with the password 'password' (the default); create a database and an account there, and set DB_USER, DB_PASSWORD and DB_DATABASE"
}

start_database() {
    if speaks_mysql 3306; then
        use_running_database
    elif port_is_open 3306; then
        fail "port 3306 answers, but not with the MySQL protocol"
    else
        say "starting MariaDB"
        start_private_mariadb "$data_folder/mariadb" 3306
    fi
}

start_broker() {
    if speaks_amqp 5672; then
        say "a broker answers on port 5672 already; using it"
    elif port_is_open 5672; then
        fail "port 5672 answers, but not with AMQP"
    else
        say "starting RabbitMQ"
        start_private_rabbitmq "$data_folder/rabbitmq" 5672
    fi
}

print_addresses() {
    cat <<'ADDRESSES'

    database   mysql://root:password@127.0.0.1:3306/my_monit
    broker     amqp://guest:guest@127.0.0.1:5672

These are the service's defaults: `cargo run -p mymonit-app` uses them.

ADDRESSES
}

run_in_foreground() {
    need_programs
    start_database
    start_broker
    print_addresses
    if ((${#private_servers[@]} == 0)); then
        say "both were running; started nothing"
        return
    fi
    say "running until Ctrl-C"
    # When one server ends, the script stops the other.
    wait -n "${private_servers[@]}" || true
    fail "a server ended; its log is in $data_folder"
}

# Sets this script up for the containers mysql and rabbit, with their ports on this machine.
use_containers() {
    export COMPOSE_PROJECT_NAME=mymonit-infra COMPOSE_FILE=docker-compose.yml:docker-compose.dev.yml COMPOSE_PROFILES=
    # Not on all addresses, as in production.
    export AMQPS_PORT=127.0.0.1:5671
    docker_answers && compose_answers
}

start_containers() {
    make_secrets
    build_images mysql rabbit
    say "starting MySQL and RabbitMQ in containers"
    compose --progress quiet up --detach --no-build --wait mysql rabbit || explain_failed_start
    cat <<ADDRESSES

    database   127.0.0.1:3306
    broker     127.0.0.1:5672, management console at http://127.0.0.1:15672/ (monitoring, secrets/rabbit_monitoring_password)

For the service: DB_USER=mymonit DB_PASSWORD_FILE=secrets/mysql_service_password RABBIT_USER=mymonit RABBIT_PASSWORD_FILE=secrets/rabbit_service_password
For an adapter: COMPOSE_PROJECT_NAME=mymonit-infra ./run.sh adapter NAME

ADDRESSES
}

# Shows their logs until Ctrl-C, which stops them.
watch_containers() {
    watching_containers=yes
    compose logs --follow --tail 0 mysql rabbit
}

trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

case ${1-} in
'')
    if use_containers; then
        start_containers
        watch_containers
    else
        run_in_foreground
    fi
    ;;
--background) if use_containers; then start_containers; else start_in_background; fi ;;
--stop)
    if use_containers; then
        say "stopping the containers; their data stays"
        compose --progress quiet stop mysql rabbit
    fi
    if ! docker_answers || [[ -n $(background_process) ]]; then
        stop_background
    fi
    ;;
*) fail "unknown argument $1; allowed: --background, --stop" ;;
esac
