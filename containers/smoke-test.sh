#!/usr/bin/env bash
# Builds the stack, starts it on a Docker engine, tests it from outside, and measures it: ten
# minutes, or thirty where the dependencies are compiled. It has its own project, images, ports,
# secrets and volumes, and removes them in the end; the base images stay.
#
#     containers/smoke-test.sh
#
# Without a reachable registry it builds substitutes for the base images from Debian's packages (as
# root, with debootstrap). They are of testing, whose nginx can resolve upstreams while it runs;
# MySQL is of unstable. Elastic's images and Grafana have no substitutes: they do not
# run.
set -euo pipefail
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."
# shellcheck source=scripts/machine.sh
source scripts/machine.sh
folder=$(mktemp --directory --tmpdir mymonit-smoke.XXXXXX)
export SECRETS_DIR=$folder/secrets BACKUP_FOLDER=$folder/backups
# shellcheck source=scripts/secrets.sh
source scripts/secrets.sh
# shellcheck source=scripts/stack.sh
source scripts/stack.sh

export COMPOSE_PROJECT_NAME=mymonit-smoke COMPOSE_FILE=docker-compose.yml:containers/smoke-test/compose.yml
# Of the profile `metrics`, Prometheus and Alertmanager are started by name.
export COMPOSE_PROFILES=metrics,evaluation MYMONIT_TAG=smoke COMPOSE_MENU=false
export FIREBASE_PROJECT_ID=mymonit-smoke EXAMPLE_DATA=true LOGSTASH_HOST='' FRONT_SUBNET=10.238.39.0/24
export HTTPS_PORT HTTP_PORT AMQPS_PORT KIBANA_PORT EVALUATION_PORT EVALUATION_AMQP_PORT
ports=()
for _ in 1 2 3 4 5 6; do
    ports+=("$(free_port "${ports[@]}")")
done
HTTPS_PORT=127.0.0.1:${ports[0]}
HTTP_PORT=127.0.0.1:${ports[1]}
AMQPS_PORT=127.0.0.1:${ports[2]}
EVALUATION_PORT=${ports[3]}
EVALUATION_AMQP_PORT=${ports[4]}
KIBANA_PORT=127.0.0.1:${ports[5]}

clean_up() {
    set +e
    trap '' HUP INT TERM
    allow_service_starts
    compose down --volumes --remove-orphans --timeout 20 >/dev/null 2>&1
    docker image rm mymonit/{app,nginx,rabbit,mysql}:smoke >/dev/null 2>&1
    rm -rf -- "$folder"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Builds a substitute: stand_in NAME IMAGE CONTEXT.
stand_in() {
    local recipes=containers/smoke-test/stand-ins
    need_stand_in_of_debian
    say "no registry: building a stand-in for $2"
    DOCKER_BUILDKIT=1 docker build --quiet --build-arg DEBIAN_IMAGE=mymonit/stand-in-debian:testing \
        --file "$recipes/$1.Dockerfile" --tag "$2" "${3:-$recipes}" >"$folder/build.log" 2>&1 || fail "no stand-in for $2: $(tail -n 20 "$folder/build.log")"
}

need_stand_in_of_debian() {
    ! docker image inspect mymonit/stand-in-debian:testing >/dev/null 2>&1 || return 0
    ((EUID == 0)) || fail "no registry can be reached, and only root can make stand-ins (debootstrap)"
    need_packages debootstrap
    local root=$folder/debian
    say "no registry: making a Debian of its packages"
    debootstrap --variant=minbase --include=ca-certificates testing "$root" "$(debian_mirror)" sid >"$folder/debootstrap.log" ||
        { tail "$folder/debootstrap.log" >&2 && fail "debootstrap failed"; }
    # A mirror may be older than its lists are valid, and this machine may trust an authority of its
    # own.
    echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/99stand-in"
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
    tar --directory "$root" --create . | docker import - mymonit/stand-in-debian:testing >/dev/null
    rm -rf -- "$root"
}

# The base images of the file, as it names them: base_image VARIABLE.
base_image() {
    local name=$1
    printf '%s' "${!name:-$(sed -n "s/.*\${$name:-\([^}]*\)}.*/\1/p" docker-compose.yml | head -n 1)}"
}

need_base_image() {
    local image
    image=$(base_image "$1")
    ! docker image inspect "$image" >/dev/null 2>&1 || return 0
    timeout 600 docker pull --quiet "$image" >/dev/null 2>&1 || stand_in "$2" "$image" "${3-}"
}

# The keys that sign the test's tokens, and certificate and authority of the server that publishes
# them.
make_keys() {
    local keys=$SECRETS_DIR/smoke name
    local new_key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2)
    mkdir -p -- "$keys"
    openssl req -x509 "${new_key[@]}" -subj /CN=smoke -keyout "$keys/authority-key.pem" -out "$keys/authority.pem" 2>/dev/null
    openssl req -x509 "${new_key[@]}" -subj /CN=keys -addext subjectAltName=DNS:keys -addext basicConstraints=critical,CA:FALSE \
        -CA "$keys/authority.pem" -CAkey "$keys/authority-key.pem" -keyout "$keys/keys-key.pem" -out "$keys/keys-certificate.pem" 2>/dev/null
    for name in signer other; do
        openssl req -x509 -newkey rsa:2048 -noenc -days 2 -subj "/CN=$name" -keyout "$keys/$name-key.pem" -out "$keys/$name.pem" 2>/dev/null
    done
    printf '{"smoke": "%s"}\n' "$(awk '{printf "%s\\n", $0}' "$keys/signer.pem")" >"$keys/keys.json"
    chmod 0444 "$keys"/*
}

measure() {
    local id
    say "figures"
    printf '  image sizes (MB): '
    for id in app nginx rabbit mysql; do
        printf '%s %d  ' "$id" "$(($(docker image inspect --format '{{.Size}}' "mymonit/$id:smoke") / 1000000))"
    done
    printf '\n  memory: '
    compose ps --quiet app nginx rabbit mysql prometheus alertmanager | xargs docker stats --no-stream --format '{{.Name}} {{.MemUsage}}' |
        sed 's/mymonit-smoke-//' | paste --serial --delimiters=';'
    printf '  start of the service to ready: '
    docker restart --time 15 "$(compose ps --quiet app | head -n 1)" >/dev/null
    local begun=$EPOCHREALTIME container
    container=$(compose ps --quiet app | head -n 1)
    until docker exec "$container" /usr/bin/mymonit healthcheck >/dev/null 2>&1; do :; done
    awk "BEGIN { printf \"%.1f s, the engine's own time to run a check included\n\", $EPOCHREALTIME - $begun }"
}

need_stack
need_packages curl openssl python3-pika
need_cargo
need_base_image RUST_IMAGE rust "$(rustc --print sysroot)"
need_base_image NODE_IMAGE node
need_base_image NGINX_IMAGE nginx
need_base_image RABBIT_IMAGE rabbitmq
need_base_image MYSQL_IMAGE mysql
need_base_image PROMETHEUS_IMAGE prometheus
need_base_image ALERTMANAGER_IMAGE alertmanager
make_secrets
make_keys
build_images "${own_services[@]}"
say "starting the stack"
begun=$EPOCHREALTIME
compose --progress quiet up --detach --no-build keys nginx prometheus alertmanager
become_healthy || explain_failed_start
awk "BEGIN { printf \"  from nothing to all healthy: %.0f s\n\", $EPOCHREALTIME - $begun }"
measure
/usr/bin/python3 containers/smoke-test/check.py stack || fail "the stack fails the test; see above"
begun=$EPOCHREALTIME
start_evaluation
awk "BEGIN { printf \"  the evaluation mode, from nothing to ready: %.0f s\n\", $EPOCHREALTIME - $begun }"
/usr/bin/python3 containers/smoke-test/check.py evaluation || fail "evaluation mode fails the test; see above"
say "everything held"
for name in ELASTICSEARCH_IMAGE LOGSTASH_IMAGE KIBANA_IMAGE FILEBEAT_IMAGE GRAFANA_IMAGE; do
    say "not run: $(base_image "$name")"
done
