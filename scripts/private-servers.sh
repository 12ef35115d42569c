# shellcheck shell=bash
# Starts a private MariaDB and RabbitMQ: with their own data folder, on 127.0.0.1, as the calling
# user. Source it after machine.sh.

# An unpacked RabbitMQ (scripts/newest-servers.sh) comes with its own Erlang.
[[ -z ${MYMONIT_TEST_SERVERS-} ]] || PATH=$MYMONIT_TEST_SERVERS/usr/lib/erlang/bin:$PATH

# The process ids of the servers that were started, newest first.
private_servers=()

# Starts a command in the background, in its own session: Ctrl-C reaches only the script, which
# stops the servers in order.
start_apart() {
    local log=$1
    shift
    setsid "$@" </dev/null >>"$log" 2>&1 &
    private_servers=("$!" "${private_servers[@]}")
}

# Waits until a check of the newest server succeeds, or fails with the end of its log: wait_until_it
# NAME LOG COMMAND….
wait_until_it() {
    local name=$1 log=$2 pid=${private_servers[0]} deadline=$((SECONDS + 300))
    shift 2
    until "$@"; do
        if ! kill -0 "$pid" 2>/dev/null || ((SECONDS > deadline)); then
            tail --lines=30 -- "$log" >&2
            fail "$name did not start; above is the end of $log"
        fi
        sleep 0.1
    done
}

# Ends a process by SIGTERM, and after the given seconds by SIGKILL.
end_process() {
    local pid=$1 deadline=$((SECONDS + $2))
    kill -TERM "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do
        ((SECONDS < deadline)) || kill -KILL "$pid" 2>/dev/null || true
        sleep 0.05
    done
    wait "$pid" 2>/dev/null || true
}

# Ends all servers that were started here; for the exit trap.
stop_private_servers() {
    local pid
    for pid in "${private_servers[@]}"; do
        end_process "$pid" 60
    done
    private_servers=()
}

# Starts MariaDB: start_private_mariadb FOLDER PORT, with the service's default database and
# account.
start_private_mariadb() {
    local folder=$1 port=$2 account=()
    ((EUID != 0)) || account=(--user=root)
    mkdir -p -- "$folder"
    folder=$(cd -- "$folder" && pwd)
    local log=$folder/mariadb.log data=$folder/data
    if [[ ! -d $data ]]; then
        say "making a MariaDB data folder in $folder"
        # Under another name until it is whole: Ctrl-C leaves no incomplete folder.
        rm -rf -- "$data.unfinished"
        "$(program mariadb-install-db)" --no-defaults "${account[@]}" --datadir="$data.unfinished" \
            --skip-test-db --skip-name-resolve --force >"$log" 2>&1 ||
            { tail --lines=30 -- "$log" >&2 && fail "MariaDB cannot make a data folder; above is the end of $log"; }
        mv -- "$data.unfinished" "$data"
    fi
    # Run at each start. The only account for TCP.
    cat >"$folder/accounts.sql" <<'SQL'
CREATE DATABASE IF NOT EXISTS my_monit CHARACTER SET utf8mb4;
CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY 'password';
GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
SQL
    start_apart "$log" "$(program mariadbd)" --no-defaults "${account[@]}" --datadir="$data" \
        --socket="$folder/mariadb.sock" --pid-file="$folder/mariadb.pid" --port="$port" \
        --bind-address=127.0.0.1 --skip-name-resolve --character-set-server=utf8mb4 \
        --init-file="$folder/accounts.sql"
    wait_until_it MariaDB "$log" speaks_mysql "$port"
}

# The environment of a private RabbitMQ, one NAME=VALUE a line. It shares nothing with the system's
# RabbitMQ, nor Erlang's port mapper (epmd), which would keep running. An address as host name needs
# no lookup.
rabbitmq_environment() {
    local folder=$1 port=$2 mapper_port=$3 distribution_port=$4
    cat <<ENVIRONMENT
HOME=$folder
LC_ALL=C.UTF-8
PATH=$PATH
ERL_EPMD_ADDRESS=127.0.0.1
ERL_EPMD_PORT=$mapper_port
RABBITMQ_ADVANCED_CONFIG_FILE=$folder/advanced.config
RABBITMQ_ALLOW_INPUT=1
RABBITMQ_CONFIG_FILE=$folder/rabbitmq.conf
RABBITMQ_CONF_ENV_FILE=$folder/rabbitmq-env.conf
RABBITMQ_CTL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}
RABBITMQ_DIST_PORT=$distribution_port
RABBITMQ_ENABLED_PLUGINS_FILE=$folder/enabled_plugins
RABBITMQ_GENERATED_CONFIG_DIR=$folder/generated
RABBITMQ_LOGS=-
RABBITMQ_LOG_BASE=$folder/log
RABBITMQ_MNESIA_BASE=$folder/data
RABBITMQ_NODENAME=mymonit-$port@127.0.0.1
RABBITMQ_PID_FILE=$folder/rabbitmq.pid
RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}
RABBITMQ_USE_LONGNAME=true
ENVIRONMENT
}

# The folder of RabbitMQ's scripts. Debian's wrappers on the PATH insist on the system's RabbitMQ
# account; these do not.
rabbitmq_scripts() {
    if [[ -n ${MYMONIT_TEST_SERVERS-} ]]; then
        printf '%s/usr/lib/rabbitmq/bin' "$MYMONIT_TEST_SERVERS"
    elif [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]]; then
        printf /usr/lib/rabbitmq/bin
    else
        dirname -- "$(program rabbitmq-server)"
    fi
}

# Starts RabbitMQ: start_private_rabbitmq FOLDER PORT [CONFIGURATION]. Without CONFIGURATION the
# user is guest with the password guest. Plugins are those of FOLDER/enabled_plugins, if there is
# one.
start_private_rabbitmq() {
    local folder=$1 port=$2 mapper_port scripts environment
    mkdir -p -- "$folder"
    folder=$(cd -- "$folder" && pwd)
    # The Erlang cookie is there.
    chmod 700 -- "$folder"
    local log=$folder/rabbitmq.log
    mapper_port=$(free_port "$port")
    scripts=$(rabbitmq_scripts)
    if [[ -n ${3-} ]]; then
        cp -- "$3" "$folder/rabbitmq.conf"
    else
        printf 'listeners.tcp.1 = 127.0.0.1:%s\nlog.console = true\nlog.console.level = info\n' "$port" >"$folder/rabbitmq.conf"
    fi
    mapfile -t environment < <(rabbitmq_environment "$folder" "$port" "$mapper_port" "$(free_port "$port" "$mapper_port")")
    # To inspect queues.
    {
        printf '#!/bin/sh\n# rabbitmqctl for the node that runs here; written at each start.\nexec env -i'
        printf ' %q' "${environment[@]}" "$scripts/rabbitmqctl"
        # The script's own shell expands it.
        # shellcheck disable=SC2016
        printf ' "$@"\n'
    } >"$folder/rabbitmqctl"
    chmod 700 -- "$folder/rabbitmqctl"

    : >"$log"
    start_apart "$log" "$(program epmd)" -address 127.0.0.1 -port "$mapper_port"
    # RABBITMQ_ALLOW_INPUT makes the script exec the server instead of supervising it; -noinput:
    # there is none.
    start_apart "$log" env -i "${environment[@]}" "$scripts/rabbitmq-server" -noinput
    wait_until_it RabbitMQ "$log" speaks_amqp "$port"
}
