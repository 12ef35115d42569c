#!/usr/bin/env bash
# Builds MyMONIT and starts it.
#
# Where a Docker engine answers: the container stack of docker-compose.yml, for production, or, as long as no Firebase project is
# set (FIREBASE_PROJECT_ID, in the environment or in .env), its evaluation mode.
#
#     ./run.sh                     starts it, waits until it is healthy and says what to do next; can be run again
#     ./run.sh --without-elastic   the same without Elasticsearch, Logstash, Kibana and Filebeat, which take most of the memory
#     ./run.sh stop | status | logs [SERVICE…]
#     ./run.sh upgrade             builds again and replaces the service without a request that fails
#     ./run.sh scale NUMBER        so many processes of the service
#     ./run.sh adapter NAME        makes an account of the broker that may publish measures, and shows its password
#     ./run.sh administrator USER_ID NAME EMAIL FIREBASE_UID
#
# Where none answers, and with ./run.sh --native: the evaluation mode on this machine, until Ctrl-C. SQLite in ./data/,
# example data, tokens of its own. It uses the RabbitMQ that answers on localhost:5672; where none does, it installs Debian's, if it
# may, and starts a private one with its data in ./data/rabbitmq. With RABBIT_URL set, that broker is used and none is
# started. All other variables of the service (REST_PORT, DATABASE_URL, …) go through to it.
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
# shellcheck source=scripts/stack.sh
source scripts/stack.sh

readonly binary=target/release/mymonit
readonly rest_port=${REST_PORT:-5000}
# Where the service listens on every address, this machine reaches it here.
rest_host=${REST_HOST:-127.0.0.1}
case $rest_host in 0.0.0.0 | '[::]' | ::) rest_host=127.0.0.1 ;; esac
readonly rest_host

# Not to be printed: it may hold a password.
readonly given_broker=${RABBIT_URL-}${RABBIT_URL_FILE-}

service=

clean_up() {
    # Whatever fails on the way (the terminal may be gone, and nothing can be said) and however impatient
    # somebody is: nothing is to be left behind.
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

# The service works without its page, so nobody has to have Node.js for it.
build_page_if_possible() {
    # Once in a shell of its own, which a machine that cannot get Node.js ends.
    if (need_node) && need_node; then
        build_page
    else
        say "going on without the page"
    fi
}

start_broker() {
    if [[ -z $given_broker ]]; then
        if ! speaks_amqp 5672; then
            say "starting a private RabbitMQ"
            start_private_rabbitmq data/rabbitmq 5672
        fi
        # This address is the one that was asked; the name localhost may stand for another first.
        export RABBIT_URL=127.0.0.1
    fi
}

start_service() {
    say "starting the service"
    # Apart from the terminal: Ctrl-C is for this script, which ends the service before the broker.
    setsid "$binary" serve --evaluation </dev/null &
    service=$!
    local deadline=$((SECONDS + 60)) status=0
    until is_ready; do
        if ! kill -0 "$service" 2>/dev/null; then
            wait "$service" || status=$?
            service=
            fail "the service has ended (status $status); what it printed says why"
        fi
        ((SECONDS < deadline)) || fail "the service did not become ready within a minute; what it printed says why"
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

Ctrl-C ends it.

TRY
}

# It ends by itself only when something is wrong; Ctrl-C ends this wait before.
wait_for_service() {
    local status=0
    wait "$service" || status=$?
    service=
    fail "the service has ended by itself (status $status); what it printed says why"
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
    say "building the service (the first time takes some minutes)"
    cargo build --release --locked --package mymonit-app
    start_broker
    start_service
    print_how_to_try
    wait_for_service
}

trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

case ${1-} in
'')
    if ! docker_answers; then
        build_and_run
    elif ! compose_answers; then
        say "a Docker engine answers, but not Docker Compose 2.20 or later; starting natively"
        build_and_run
    elif [[ -n $(firebase_project) ]]; then
        start_stack
    else
        start_evaluation
    fi
    ;;
--without-elastic)
    need_stack
    [[ -n $(firebase_project) ]] || fail "the stack needs a Firebase project: FIREBASE_PROJECT_ID, in the environment or in .env"
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
*) fail "knows --without-elastic, --native, stop, status, logs, scale, upgrade, adapter and administrator, not $1" ;;
esac
