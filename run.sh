#!/usr/bin/env bash
# Builds MyMONIT and starts it.
#
# With a Docker engine: the container stack of docker-compose.yml. It runs in evaluation mode until
# a Firebase project is set (FIREBASE_PROJECT_ID, in the environment or in .env).
#
#     ./run.sh                      starts the stack and returns when it is ready; safe to repeat
#     ./run.sh --without-elastic    the same without Elasticsearch, Logstash, Kibana and Filebeat,
#                                   which take most of the memory
#     ./run.sh --everything         the whole stack with example data and evaluation sign-in, on
#                                   127.0.0.1; needs no Firebase project
#     ./run.sh [--everything] stop | status | logs [SERVICE…]
#     ./run.sh upgrade [--no-backup] [--rolling]    backs up, builds, and replaces the service
#     ./run.sh scale NUMBER         sets the number of service processes
#     ./run.sh adapter NAME [EXPERIMENT…]
#                                   adds a broker account that may publish measures, of these
#                                   experiments only, and prints its password
#     ./run.sh administrator USER_ID
#                                   adds the first administrator; prompts for name, e-mail and
#                                   Firebase uid
#     ./run.sh test-alert           sends a test alert to the receivers of Alertmanager
#     ./run.sh sbom [FOLDER]        writes the SBOMs of programs and page (CycloneDX) to a folder,
#                                   target/sbom; needs no engine
#
# Without an engine, or with --native: evaluation mode on this machine, until Ctrl-C, with SQLite
# and example data in ./data/. It uses the RabbitMQ on localhost:5672, or installs Debian's and
# starts a private one in ./data/rabbitmq. With RABBIT_URL set it uses that broker. The service gets
# all its other variables (REST_PORT, DATABASE_URL, …) from the environment.
set -euo pipefail
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")"
# shellcheck source=scripts/machine.sh
source scripts/machine.sh
# shellcheck source=scripts/private-servers.sh
source scripts/private-servers.sh
# shellcheck source=scripts/page.sh
source scripts/page.sh
# shellcheck source=scripts/secrets.sh
source scripts/secrets.sh
# shellcheck source=scripts/sbom.sh
source scripts/sbom.sh
# shellcheck source=scripts/stack.sh
source scripts/stack.sh

readonly binary=target/evaluation/mymonit
readonly rest_port=${REST_PORT:-5000}
# The address under which this machine reaches a service that listens on every address.
rest_host=${REST_HOST:-127.0.0.1}
case $rest_host in 0.0.0.0 | '[::]' | ::) rest_host=127.0.0.1 ;; esac
readonly rest_host

# May hold a password: never print it.
readonly given_broker=${RABBIT_URL-}${RABBIT_URL_FILE-}

service=

clean_up() {
    # No failure (the terminal may be gone) and no second Ctrl-C may interrupt the clean-up.
    set +e
    trap '' HUP INT TERM
    allow_service_starts
    if [[ -n $service ]]; then
        say "stopping the service"
        # It takes at most 10 s to write what it has in hand.
        end_process "$service" 15
        service=
    fi
    if ((${#private_servers[@]} > 0)); then
        say "stopping the broker"
        stop_private_servers
    fi
}

is_ready() {
    [[ $(http_status "$rest_host" "$rest_port" /health/ready) == 200 ]]
}

need_broker_program() {
    if [[ -n $given_broker ]]; then
        say "using the broker that RABBIT_URL names"
    elif speaks_amqp 5672; then
        say "using the broker that answers on localhost:5672"
    elif port_is_open 5672; then
        fail "something that does not speak AMQP answers on port 5672; set RABBIT_URL to use a broker elsewhere"
    else
        need_packages rabbitmq-server
    fi
}

# The service works without its page, so Node.js is optional.
build_page_if_possible() {
    # First in a subshell: need_node exits where no Node.js can be had.
    if (need_node) && need_node; then
        build_page
    else
        say "no Node.js: building without the page"
    fi
}

start_broker() {
    if [[ -z $given_broker ]]; then
        if ! speaks_amqp 5672; then
            # The database is in it: the owner alone enters.
            (umask 077 && mkdir -p data)
            say "starting a private RabbitMQ"
            start_private_rabbitmq data/rabbitmq 5672
        fi
        # localhost may resolve to ::1 first.
        export RABBIT_URL=127.0.0.1
    fi
}

start_service() {
    say "starting the service"
    # In its own session: Ctrl-C reaches this script, which stops the service before the broker.
    LOG_FORMAT=${LOG_FORMAT-text} setsid "$binary" serve --evaluation </dev/null &
    service=$!
    local deadline=$((SECONDS + 60)) status=0
    until is_ready; do
        if ! kill -0 "$service" 2>/dev/null; then
            wait "$service" || status=$?
            service=
            fail "the service ended with status $status; its output above says why"
        fi
        ((SECONDS < deadline)) || fail "the service was not ready after 60 s; its output above says why"
        sleep 0.1
    done
}

print_how_to_try() {
    local here broker=127.0.0.1
    here=$(printf '%q' "$PWD")
    [[ -z $given_broker ]] || broker=YOUR-BROKER
    cat <<TRY

MyMONIT is ready. In a browser:

    http://$rest_host:$rest_port/

In another terminal:

    cd $here
    TOKEN=\$(./$binary token S001)      # a scientist; A001 is the administrator
    curl -H "Authorization: Bearer \$TOKEN" http://$rest_host:$rest_port/measures/1

Publish a measure (apt-get install python3-pika), and read again:

    /usr/bin/python3 -c 'import json, pika, time; pika.BlockingConnection(pika.ConnectionParameters("$broker")).channel().basic_publish("mymonit", "measures", json.dumps({"experiment": "device-vibrations", "measure": "hertz", "value": 2.2, "timestamp": time.time()}))'

Ctrl-C stops it.

TRY
}

wait_for_service() {
    local status=0
    wait "$service" || status=$?
    service=
    fail "the service ended with status $status; its output above says why"
}

build_and_run() {
    if is_ready; then
        say "a service answers on $rest_host:$rest_port already"
        print_how_to_try
        return
    fi
    need_cargo
    need_packages gcc libc6-dev
    need_broker_program
    build_page_if_possible
    say "building the service (about four minutes the first time on two cores)"
    cargo build --profile evaluation --locked --package mymonit-app
    start_broker
    start_service
    print_how_to_try
    wait_for_service
}

trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

everything=
if [[ ${1-} == --everything ]]; then
    need_stack
    use_everything
    everything=yes
    shift
fi

case ${1-} in
'')
    if [[ -n $everything ]]; then
        start_everything
    elif ! docker_answers; then
        build_and_run
    elif ! compose_answers; then
        say "Docker Compose 2.20 or later is missing (docker compose version); starting natively"
        build_and_run
    elif [[ -n $(firebase_project) ]]; then
        start_stack
    else
        start_evaluation
    fi
    ;;
--without-elastic)
    need_stack
    [[ -n $(firebase_project) ]] || fail "--without-elastic needs a Firebase project: set FIREBASE_PROJECT_ID in the environment or in .env"
    start_stack without-elastic
    ;;
--native) build_and_run ;;
stop) need_stack && stop_stack ;;
status) need_stack && compose --profile '*' ps --all ;;
logs) need_stack && compose --profile '*' logs --follow --tail 100 "${@:2}" ;;
scale) need_stack && scale_stack "${@:2}" ;;
upgrade) need_stack && upgrade_stack "${@:2}" ;;
adapter) need_stack && add_adapter "${@:2}" ;;
administrator) need_stack && add_administrator "${@:2}" ;;
test-alert) need_stack && send_test_alert ;;
sbom)
    need_cargo
    need_node
    write_sbom "${2:-target/sbom}"
    ;;
*) fail "unknown argument $1; allowed: --without-elastic, --everything, --native, stop, status, logs, scale, upgrade, adapter, administrator, test-alert, sbom" ;;
esac
