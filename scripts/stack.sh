# shellcheck shell=bash
# The container stack of docker-compose.yml: started, looked at, changed and ended. To be sourced after machine.sh and secrets.sh.
#
# What is set in the environment or in .env goes through to docker compose, which knows the stack's name and its files.

# The services whose images are made here; the others are Elastic's.
readonly own_services=(app nginx rabbit mysql)

compose() {
    docker compose "$@"
}

# Whether the engine's client has Docker Compose in the version that the files are written for, 2.20 or later.
compose_answers() {
    local version major minor
    version=$(docker compose version --short 2>/dev/null) || return 1
    IFS=. read -r major minor _ <<<"${version#v}"
    [[ $major =~ ^[0-9]+$ && $minor =~ ^[0-9]+$ ]] || return 1
    ((major > 2 || (major == 2 && minor >= 20)))
}

need_stack() {
    docker_answers || fail "no Docker engine answers; the container stack needs one"
    compose_answers || fail "the stack needs Docker Compose 2.20 or later (docker compose version)"
}

# The value of a variable, from the environment or from .env.
setting() {
    local name=$1
    if [[ -n ${!name-} ]]; then
        printf '%s' "${!name}"
    elif [[ -e .env ]]; then
        sed -n "s/^$name=//p" .env | tail -n 1 | sed "s/^[\"']//; s/[\"']\$//"
    fi
}

# The Firebase project whose users sign in: where it is not said, from the service account's file, if there is one.
firebase_project() {
    local credentials=containers/app/private_key.json project
    project=$(setting FIREBASE_PROJECT_ID)
    if [[ -z $project && -e $credentials ]]; then
        project=$(sed -n 's/.*"project_id": *"\([^"]*\)".*/\1/p' "$credentials")
    fi
    printf '%s' "$project"
}

# Builds the images that are ours: build_images [SERVICE…].
build_images() {
    local version revision
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head --lines=1)
    revision=$(git rev-parse --short HEAD 2>/dev/null) || revision=unknown
    say "building the images (the first time takes some minutes)"
    # The classic builder of older engines knows no cache for a part of a build.
    DOCKER_BUILDKIT=1 MYMONIT_VERSION=$version MYMONIT_REVISION=$revision compose --profile '*' build --quiet "$@" || fail "an image could not be built"
}

# Starts the production stack: start_stack, or start_stack without-elastic.
start_stack() {
    local services=() running
    FIREBASE_PROJECT_ID=$(firebase_project)
    export FIREBASE_PROJECT_ID
    if [[ ${1-} == without-elastic ]]; then
        services=("${own_services[@]}")
        export LOGSTASH_HOST=
    else
        need_memory_maps
    fi
    make_secrets
    build_images "${own_services[@]}"
    # Those that run stay as many as they are.
    running=$(processes | wc -l)
    say "starting the containers, each when those that it needs are healthy"
    compose --progress quiet up --detach --no-build --remove-orphans --scale "app=$((running > 0 ? running : 1))" "${services[@]}" || explain_failed_start
    wait_until_healthy
    print_stack
}

# Elasticsearch maps many files into memory, and does not start where the system forbids it.
need_memory_maps() {
    local allowed
    allowed=$(cat /proc/sys/vm/max_map_count 2>/dev/null) || return 0
    ((allowed >= 262144)) ||
        fail "Elasticsearch needs vm.max_map_count of 262144, here it is $allowed; please let root run: sysctl -w vm.max_map_count=262144"
}

explain_failed_start() {
    compose ps --all >&2
    fail "the stack did not start; ./run.sh logs SERVICE says why, ./run.sh stop ends what was started"
}

# What is not as it should be yet: one line for each container, with its service, state, health and exit status.
unhealthy_containers() {
    compose ps --all --format '{{.Service}} {{.State}} {{.Health}} {{.ExitCode}}' |
        awk '!($2 == "running" && ($3 == "healthy" || $3 ~ /^[0-9]+$/)) && !($2 == "exited" && $NF == "0")'
}

wait_until_healthy() {
    local deadline=$((SECONDS + 900)) pending
    while pending=$(unhealthy_containers) && [[ -n $pending ]]; do
        if ((SECONDS > deadline)) || grep -q ' exited \| dead ' <<<"$pending"; then
            printf '%s\n' "$pending" >&2
            explain_failed_start
        fi
        sleep 1
    done
}

print_stack() {
    local web
    web=$(compose port nginx 8443)
    cat <<NEXT

MyMONIT runs.

    API and page    https://localhost:${web##*:}/  (contract at /docs, page at /static/index.html)
    broker          amqps://localhost:$(compose port rabbit 5671 | sed 's/.*://')
    authority       $secrets_folder/tls_authority.pem, for clients to trust (curl --cacert) until real certificates are there

Next:

    ./run.sh administrator USER_ID NAME EMAIL FIREBASE_UID    the first one; the API adds all others
    ./run.sh adapter NAME                                     an account that may publish measures, and nothing else
    ./run.sh status | logs [SERVICE] | scale NUMBER | upgrade | stop

docs/production.md says what to set before others may come: certificates, ports, backups.

NEXT
    if compose ps --services | grep -qx kibana; then
        say "Kibana: https://localhost:${web##*:}/kibana/, as operator or auditor; passwords in $secrets_folder/kibana_*_password"
    fi
}

# Everything in one container, with example data and tokens of its own, beside a broker of its own.
start_evaluation() {
    make_secrets
    build_images evaluation
    say "starting the evaluation mode, since no Firebase project is set (FIREBASE_PROJECT_ID, in .env)"
    compose --profile evaluation --progress quiet up --detach --no-build evaluation || explain_failed_start
    wait_until_healthy
    local rest
    rest=$(compose --profile evaluation port evaluation 5000)
    cat <<TRY

MyMONIT is ready, in evaluation mode: for trying, on this machine only.

    TOKEN=\$(docker compose --profile evaluation exec evaluation /usr/bin/mymonit token S001)      # a scientist; A001 is the administrator
    curl -H "Authorization: Bearer \$TOKEN" http://$rest/measures/1

Measures go to amqp://guest:guest@$(compose --profile evaluation port evaluation-rabbit 5672).  ./run.sh stop ends it.

TRY
}

stop_stack() {
    say "stopping the containers; their data stays in Docker's volumes"
    compose --profile '*' down --remove-orphans
}

# The containers of the service that run, one id a line.
processes() {
    compose ps --quiet app
}

# Has new processes of the service set up like those that run: without Logstash, where none was started.
keep_settings() {
    FIREBASE_PROJECT_ID=$(firebase_project)
    export FIREBASE_PROJECT_ID
    if [[ -z $(compose ps --all --quiet logstash) ]]; then
        export LOGSTASH_HOST=
    fi
}

# Starts so many more processes of the service. nginx finds them by their name on the network that it shares with them, and cannot
# ask whether one is ready; so each comes onto that network when it is.
add_processes() {
    local old=() new=() network id
    keep_settings
    mapfile -t old < <(processes)
    network=$(docker inspect --format '{{range $name, $_ := .NetworkSettings.Networks}}{{println $name}}{{end}}' "${old[0]}" | grep '_front$')
    compose --progress quiet up --no-start --no-build --no-deps --no-recreate --scale "app=$((${#old[@]} + $1))" app
    mapfile -t new < <(compose ps --all --quiet app | grep -vxF -f <(printf '%s\n' "${old[@]}"))
    for id in "${new[@]}"; do
        docker network disconnect "$network" "$id"
        docker start "$id" >/dev/null
    done
    for id in "${new[@]}"; do
        if ! becomes_healthy "$id"; then
            docker logs --tail 20 "$id" >&2
            docker rm --force "${new[@]}" >/dev/null
            fail "a new process does not become healthy, see above; the old ones go on"
        fi
        docker network connect --alias app "$network" "$id"
    done
    # nginx asks for names every two seconds.
    sleep 5
}

becomes_healthy() {
    local deadline=$((SECONDS + 120))
    until [[ $(docker inspect --format '{{.State.Health.Status}}' "$1") == healthy ]]; do
        ((SECONDS < deadline)) || return 1
        sleep 0.5
    done
}

# Ends processes of the service. Each finishes what it has begun; nginx sends the rest to others.
end_processes() {
    docker stop --time 15 "$@" >/dev/null
    docker rm "$@" >/dev/null
}

need_service() {
    [[ -n $(processes) ]] || fail "the service does not run; ./run.sh starts it"
}

# Replaces the processes of the service by ones of a new image, without a request that fails.
upgrade_stack() {
    local old=()
    need_service
    [[ ${1-} == --no-build ]] || build_images app
    mapfile -t old < <(processes)
    say "starting ${#old[@]} new beside the ${#old[@]} old"
    add_processes "${#old[@]}"
    say "ending the old"
    end_processes "${old[@]}"
    say "upgraded the service; ./run.sh replaces other containers whose configuration has changed"
}

# Makes the number of the service's processes what it should be, without a request that fails.
scale_stack() {
    local wanted=${1-} running=()
    [[ $wanted =~ ^[1-9]$ ]] || fail "scale NUMBER: from 1 to 9"
    need_service
    mapfile -t running < <(processes)
    if ((wanted > ${#running[@]})); then
        add_processes "$((wanted - ${#running[@]}))"
    elif ((wanted < ${#running[@]})); then
        end_processes "${running[@]:wanted}"
    fi
    say "$wanted of the service"
}

# Gives the broker the definitions on standard input.
import_definitions() {
    # RabbitMQ's own program must not meet a standard input that is no terminal.
    compose exec --no-TTY rabbit bash -c 'file=$(mktemp) && cat >"$file" && rabbitmqctl --quiet import_definitions "$file" </dev/null >/dev/null
        status=$?; rm -f -- "$file"; exit "$status"'
}

# An account of the broker that may publish to the exchange mymonit, and do nothing else.
add_adapter() {
    local name=${1-} password
    [[ $name =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$ ]] ||
        fail "adapter NAME: a name of letters, digits, dots, dashes and underscores"
    compose exec --no-TTY rabbit rabbitmqctl --quiet list_users </dev/null | cut --fields=1 | grep -Fqx -- "$name" &&
        fail "the broker has an account $name already; docker compose exec rabbit rabbitmqctl delete_user $name removes it"
    password=$(random_secret)
    # The password itself does not leave this place.
    import_definitions <<DEFINITIONS || fail "the broker did not take the account; ./run.sh logs rabbit says why"
{
  "users": [$(printf '%s' "$password" | rabbit_user "$name" '')],
  "permissions": [$(rabbit_permissions "$name" '^$' '^mymonit$' '^$')]
}
DEFINITIONS
    say "added; the password is shown this once:"
    printf 'RABBIT_USER=%s\nRABBIT_PASSWORD=%s\n' "$name" "$password"
}

# The first administrator, whom nobody can add through the API.
add_administrator() {
    (($# == 4)) || fail "administrator USER_ID NAME EMAIL FIREBASE_UID"
    local value hex=()
    for value in "$@"; do
        [[ $value =~ ^[^[:cntrl:]]+$ && $value != ' '* && $value != *' ' ]] || fail "empty, or with spaces around it: $value"
    done
    ((${#1} <= 30)) || fail "USER_ID has at most 30 characters"
    ((${#2} <= 100)) || fail "NAME has at most 100 characters"
    # The program's key of other addresses is not for a script to make.
    LC_ALL=C grep -Eqx '[!-?A-~]{1,64}@[!-?A-~]{1,189}' <<<"$3" || fail "EMAIL is no address in ASCII"
    ((${#4} <= 128)) || fail "FIREBASE_UID has at most 128 characters"
    for value in "$1" "$2" "$4" "$3" "${3,,}"; do
        hex+=("CONVERT(X'$(printf '%s' "$value" | od -An -v -tx1 | tr -d ' \n')' USING utf8mb4)")
    done
    compose exec --no-TTY mysql bash -c 'MYSQL_PWD=$(cat /run/secrets/mysql_root_password) mysql --user=root my_monit' <<SQL ||
INSERT INTO USERS (ID, NAME, USERNAME, EMAIL, EMAIL_KEY, ROLE) VALUES (${hex[0]}, ${hex[1]}, ${hex[2]}, ${hex[3]}, ${hex[4]}, 1);
SQL
        fail "the database did not take the administrator; is there a user of this id, e-mail or Firebase uid already?"
    say "$1 is an administrator"
}
