# shellcheck shell=bash
# Starts, inspects, changes and stops the container stack of docker-compose.yml. Source it after
# machine.sh and secrets.sh. Docker Compose itself reads .env and the environment.

# The services whose images are built here.
readonly own_services=(app nginx rabbit mysql)
# The services that only logs need; the stack runs without them.
readonly log_services=(elasticsearch elasticsearch-setup logstash kibana kibana-setup filebeat)

compose() {
    docker compose "$@"
}

# Whether Docker Compose 2.20 or later answers.
compose_answers() {
    local version major minor
    version=$(docker compose version --short 2>/dev/null) || return 1
    IFS=. read -r major minor _ <<<"${version#v}"
    [[ $major =~ ^[0-9]+$ && $minor =~ ^[0-9]+$ ]] || return 1
    ((major > 2 || (major == 2 && minor >= 20)))
}

need_stack() {
    docker_answers || fail "no Docker engine answers (docker version); the container stack needs one"
    compose_answers || fail "Docker Compose 2.20 or later is missing (docker compose version)"
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

# The Firebase project: from FIREBASE_PROJECT_ID, or from the service account's file.
firebase_project() {
    local credentials=containers/app/private_key.json project
    project=$(setting FIREBASE_PROJECT_ID)
    if [[ -z $project && -e $credentials ]]; then
        project=$(sed -n 's/.*"project_id": *"\([^"]*\)".*/\1/p' "$credentials")
    fi
    printf '%s' "$project"
}

# Pins images of the registry by digest in .env, at their first pull and with each new version:
# pin_images NAME…, of the variables NAME_IMAGE. An image that the site has set stays as it is.
pin_images() {
    local name image digest mark='# pinned by run.sh'
    for name in "$@"; do
        name=${name}_IMAGE
        image=$(sed -n "s/.*\${$name:-\([^}]*\)}.*/\1/p" docker-compose.yml | head --lines=1)
        [[ -z ${!name-} ]] || continue
        [[ ! -e .env ]] || ! grep -q "^$name=" .env || grep -q "^$name=.*$mark\$" .env || continue
        [[ ! -e .env ]] || ! grep -q "^$name=$image@" .env || continue
        docker pull --quiet "$image" >/dev/null 2>&1 || true
        digest=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$image" 2>/dev/null | sed -n 's/.*@/@/p' | head --lines=1)
        [[ ! -e .env ]] || sed -i "/^$name=.*$mark\$/d" .env
        if [[ -n $digest ]]; then
            printf '%s=%s%s %s\n' "$name" "$image" "$digest" "$mark" >>.env
            say "pinned $image$digest in .env"
        else
            say "$image is not pinned: no registry has told its digest"
        fi
    done
}

# Builds the images of this project: build_images [SERVICE…].
build_images() {
    local version revision
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head --lines=1)
    revision=$(git rev-parse --short HEAD 2>/dev/null) || revision=unknown
    say "building the images (the first time up to 10 minutes on 2 cores; then under a minute)"
    # The classic builder of older engines has no cache mounts.
    DOCKER_BUILDKIT=1 MYMONIT_VERSION=$version MYMONIT_REVISION=$revision compose --profile '*' build --quiet "$@" || fail "an image could not be built; see above"
}

# Starts the stack: start_stack [without-elastic]. Only containers of logs may fail.
start_stack() {
    local running core=() built=() logs=wanted
    FIREBASE_PROJECT_ID=$(firebase_project)
    export FIREBASE_PROJECT_ID
    if [[ ${1-} == without-elastic ]]; then
        logs=unwanted
        export LOGSTASH_HOST=
    fi
    make_secrets
    mapfile -t core < <(core_services)
    # Grafana's image is built here, too, where its profile is active.
    mapfile -t built < <(printf '%s\n' "${own_services[@]}" "${core[@]}" | grep -xF -f <(printf '%s\n' "${own_services[@]}" grafana) | sort -u)
    pin_images RUST NODE NGINX RABBIT MYSQL
    ! printf '%s\n' "${core[@]}" | grep -qx grafana || pin_images PROMETHEUS ALERTMANAGER GRAFANA
    build_images "${built[@]}"
    # As many processes as run now.
    running=$(processes | wc -l)
    say "starting service, broker, database and nginx (about a minute)"
    compose --progress quiet up --detach --no-build --wait mysql rabbit || explain_failed_start
    update_database_accounts
    compose --progress quiet up --detach --no-build --remove-orphans --scale "app=$((running > 0 ? running : 1))" "${core[@]}" || explain_failed_start
    become_healthy "${core[@]}" || explain_failed_start
    [[ $logs == unwanted ]] || start_logs || logs=failed
    [[ -n ${everything-} ]] || print_stack
    if [[ $logs == failed ]]; then
        say "WARNING: the containers of the logs did not start; the rest runs. Logs are not in Kibana until they do:"
        say "  docker compose ps --all, ./run.sh logs elasticsearch elasticsearch-setup kibana; ./run.sh tries again"
    fi
}

# The services of the active profiles, without those of the logs.
core_services() {
    compose config --services | grep -vxF -f <(printf '%s\n' "${log_services[@]}")
}

start_logs() {
    has_memory_maps || return 1
    pin_images ELASTICSEARCH LOGSTASH KIBANA FILEBEAT
    say "starting Elasticsearch, Logstash, Kibana and Filebeat (3 to 5 minutes; the service already answers)"
    compose --progress quiet up --detach --no-build "${log_services[@]}" && become_healthy "${log_services[@]}"
}

# Whether the kernel allows the number of memory maps that Elasticsearch needs.
has_memory_maps() {
    local allowed
    allowed=$(cat /proc/sys/vm/max_map_count 2>/dev/null) || return 0
    ((allowed >= 262144)) && return
    say "vm.max_map_count is $allowed, and Elasticsearch needs 262144; as root: sysctl -w vm.max_map_count=262144"
    return 1
}

explain_failed_start() {
    compose ps --all >&2
    fail "the stack did not start; ./run.sh logs SERVICE says why, ./run.sh stop stops the rest"
}

# The containers that are not healthy yet, of all services or of those named: service, state,
# health, exit status.
pending_containers() {
    compose ps --all --format '{{.Service}} {{.State}} {{.Health}} {{.ExitCode}}' "$@" |
        awk '!($2 == "running" && ($3 == "healthy" || $3 ~ /^[0-9]+$/)) && !($2 == "exited" && $NF == "0")'
}

# Waits until all services, or those named, are healthy. Fails after 15 minutes, when one has ended,
# or when one has been restarting for a minute.
become_healthy() {
    local deadline=$((SECONDS + 900)) last_start=$SECONDS pending
    while pending=$(pending_containers "$@") && [[ -n $pending ]]; do
        [[ $pending == *' restarting '* ]] || last_start=$SECONDS
        if ((SECONDS > deadline || SECONDS > last_start + 60)) || grep -q ' exited \| dead ' <<<"$pending"; then
            printf '%s\n' "$pending" >&2
            return 1
        fi
        sleep 1
    done
}

# Database accounts are made on an empty volume; this gives older installations the rights that came
# later.
update_database_accounts() {
    compose exec --no-TTY mysql bash -euo pipefail -s <containers/mysql/accounts.sh || fail "MySQL refused containers/mysql/accounts.sh"
}

# The address under which this machine reaches a published port: published SERVICE PORT.
published() {
    compose port "$1" "$2" | sed 's/.*:/localhost:/'
}

print_stack() {
    cat <<NEXT

MyMONIT is ready.

    API and page    https://$(published nginx 8443)/  (contract at /docs, page at /static/index.html)
    broker          amqps://$(published rabbit 5671)
    Kibana          https://$(published nginx 5601)/  (operator or auditor; passwords in $secrets_folder/kibana_*_password)
    authority       $secrets_folder/tls_authority.pem, for clients to trust (curl --cacert) until there is a real certificate

Next:

    ./run.sh administrator USER_ID         the first administrator; the API adds all others
    ./run.sh adapter NAME [EXPERIMENT…]    an account that may publish measures, of these experiments only
    ./run.sh status | logs [SERVICE] | scale NUMBER | upgrade | stop

docs/production.md says what to set before it serves others: certificates, ports, alerts, backups.

NEXT
}

# Sets this script up for the stack of --everything, which shares nothing with the one for
# production but the secrets.
use_everything() {
    export COMPOSE_PROJECT_NAME=mymonit-everything COMPOSE_PROFILES=metrics COMPOSE_FILE=docker-compose.yml:containers/everything.yml
    export FRONT_SUBNET=10.238.40.0/24 EXAMPLE_DATA=true
    local variable port
    for variable in HTTPS_PORT:8443 HTTP_PORT:8080 AMQPS_PORT:5671 KIBANA_PORT:5601; do
        port=${variable#*:}
        variable=${variable%:*}
        port=${!variable:-$port}
        export "$variable=127.0.0.1:${port##*:}"
    done
}

start_everything() {
    start_stack
    cat <<TRY

========================================================================================================
 MyMONIT is ready, with everything, FOR EVALUATION ON THIS MACHINE ONLY: any client can impersonate any
 user. It holds example data. For production set FIREBASE_PROJECT_ID and run ./run.sh.
========================================================================================================

    page            https://$(published nginx 8443)/  (choose who to be; the certificate is self-made)
    Kibana          https://$(published nginx 5601)/  operator, $secrets_folder/kibana_operator_password
    Grafana         http://localhost:3000/  admin, $secrets_folder/grafana_admin_password
    Prometheus      http://localhost:9090/    Alertmanager  http://localhost:9093/
    RabbitMQ        http://localhost:15672/  monitoring, $secrets_folder/rabbit_monitoring_password
    broker          amqps://$(published rabbit 5671), account: ./run.sh --everything adapter NAME

    TOKEN=\$(COMPOSE_PROJECT_NAME=mymonit-everything docker compose exec app /usr/bin/mymonit token S001)
    curl --cacert $secrets_folder/tls_authority.pem -H "Authorization: Bearer \$TOKEN" https://$(published nginx 8443)/measures/1

./run.sh --everything stop stops it; its data stays.

TRY
}

# One container with example data and its own tokens, and a separate broker.
start_evaluation() {
    local -x COMPOSE_PROFILES=evaluation
    make_secrets
    pin_images RUST NODE RABBIT
    build_images evaluation
    say "no Firebase project is set (FIREBASE_PROJECT_ID, in .env): starting evaluation mode (half a minute)"
    compose --progress quiet up --detach --no-build evaluation || explain_failed_start
    become_healthy evaluation evaluation-rabbit || explain_failed_start
    local rest
    rest=$(compose port evaluation 5000)
    cat <<TRY

MyMONIT is ready, in evaluation mode: on this machine only, any client can impersonate any user.

    page            http://$rest/
    broker          amqp://guest:guest@$(compose port evaluation-rabbit 5672)

    TOKEN=\$(docker compose --profile evaluation exec evaluation /usr/bin/mymonit token S001)      # a scientist; A001 is the administrator
    curl -H "Authorization: Bearer \$TOKEN" http://$rest/measures/1

./run.sh stop stops it.  ./run.sh --everything starts the whole stack in this mode, with Kibana and Grafana.

TRY
}

stop_stack() {
    say "stopping the containers; their data stays in Docker's volumes"
    compose --profile '*' down --remove-orphans
}

# The ids of the service's running containers, one a line.
processes() {
    compose ps --quiet app
}

# Gives new processes the settings of the running ones: no Logstash where it was left out.
keep_settings() {
    FIREBASE_PROJECT_ID=$(firebase_project)
    export FIREBASE_PROJECT_ID
    if [[ -z $(compose ps --all --quiet logstash) ]]; then
        export LOGSTASH_HOST=
    fi
}

# Starts more processes of the service: add_processes NUMBER. nginx sends requests to every
# container on the network `front`, so a new one joins that network when it is healthy.
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
        if ! container_becomes_healthy "$id"; then
            docker logs --tail 20 "$id" >&2
            docker rm --force "${new[@]}" >/dev/null
            fail "a new process did not become healthy, see above; the old ones go on"
        fi
        docker network connect --alias app "$network" "$id"
    done
    # nginx resolves the name every two seconds.
    sleep 5
}

container_becomes_healthy() {
    local deadline=$((SECONDS + 120))
    until [[ $(docker inspect --format '{{.State.Health.Status}}' "$1") == healthy ]]; do
        ((SECONDS < deadline)) || return 1
        sleep 0.5
    done
}

# Stops processes of the service gracefully and removes their containers.
end_processes() {
    docker stop --time 15 "$@" >/dev/null
    docker rm "$@" >/dev/null
}

need_service() {
    [[ -n $(processes) ]] || fail "the service does not run; ./run.sh starts it"
}

# Replaces the service by a new build: upgrade_stack [--no-backup] [--no-build] [--rolling].
upgrade_stack() {
    local backup=yes build=yes rolling='' argument old=()
    for argument in "$@"; do
        case $argument in
        --no-backup) backup= ;;
        --no-build) build= ;;
        --rolling) rolling=yes ;;
        *) fail "upgrade: unknown argument $argument; allowed: --no-backup, --no-build, --rolling" ;;
        esac
    done
    need_service
    # Secrets that came later, such as the database's certificate.
    make_secrets
    mapfile -t old < <(processes)
    if [[ -n $build ]]; then
        docker tag "$(docker inspect --format '{{.Image}}' "${old[0]}")" mymonit/app:before-upgrade
        pin_images RUST NODE MYSQL
        build_images app mysql
    fi
    [[ -z $backup ]] || containers/backup.sh
    if [[ -n $rolling ]]; then
        update_database
        migrate_database
        say "starting ${#old[@]} new processes beside the ${#old[@]} old ones"
        add_processes "${#old[@]}"
        say "stopping the old processes"
        end_processes "${old[@]}"
    else
        replace_processes "${old[@]}"
    fi
    say "upgraded the service. ./run.sh replaces other containers whose configuration has changed."
}

# Replaces the database's container if its configuration has changed: the service must know its
# certificate. Then gives the accounts the rights that came later.
update_database() {
    compose --progress quiet up --detach --no-build --no-deps --wait mysql || fail "the database did not start; ./run.sh logs mysql says why"
    update_database_accounts
}

# Brings the schema up to date: migrate_database [WHAT THEN].
migrate_database() {
    compose --progress quiet run --rm --no-deps --no-TTY --env LOG_FORMAT=text migration || fail "the migration failed, see above${1:+; $1}"
}

# Stops the old processes, migrates the database, and starts as many new ones. Old processes cannot
# work on the new schema.
replace_processes() {
    local begun=$SECONDS back="docs/production.md#roll-back says how to roll back"
    keep_settings
    say "stopping $# old processes; clients get 503 until the new ones answer, messages wait in the broker"
    end_processes "$@"
    update_database
    say "migrating the database (seconds; with some hundred million measures up to hours)"
    migrate_database "$back"
    say "starting $# new processes"
    compose --progress quiet up --detach --no-build --no-deps --scale "app=$#" --wait app || fail "the new processes are not healthy; ./run.sh logs app says why; $back"
    say "the service was away for $((SECONDS - begun)) s"
}

# Sets the number of service processes, without failed requests.
scale_stack() {
    local wanted=${1-} running=()
    [[ $wanted =~ ^[1-9]$ ]] || fail "scale NUMBER: \"$wanted\" is not a number from 1 to 9"
    need_service
    mapfile -t running < <(processes)
    if ((wanted > ${#running[@]})); then
        add_processes "$((wanted - ${#running[@]}))"
    elif ((wanted < ${#running[@]})); then
        end_processes "${running[@]:wanted}"
    fi
    say "processes of the service: $wanted"
}

# Sends an alert to Alertmanager's receivers. It resolves by itself.
send_test_alert() {
    local end
    [[ -n $(compose --profile metrics ps --quiet alertmanager) ]] || fail "Alertmanager does not run; set COMPOSE_PROFILES=metrics in .env and run ./run.sh"
    end=$(date --utc --date='+2 minutes' +%Y-%m-%dT%H:%M:%SZ)
    compose --profile metrics exec --no-TTY alertmanager amtool --alertmanager.url=http://127.0.0.1:9093 alert add MyMonitTest severity=warning \
        --annotation=summary='A test: nothing is wrong.' --end="$end" || fail "Alertmanager refused the test alert"
    say "sent MyMonitTest: e-mail and webhook should show it within a minute, and its end after some minutes more"
}

# The changes of the database after a backup, as SQL: changes_since DUMP.sql.gz FOLDER TIME, with
# the folder of the binary logs and a time as YYYY-MM-DD HH:MM:SS, UTC.
changes_since() {
    local dump=$1 folder=$2 until=$3 first position logs
    mysqlbinlog --version 2>/dev/null | grep -qv MariaDB || fail "mysqlbinlog of MySQL is missing; it is in mysql-community-client, and in Ubuntu's and Debian sid's mysql-client-core"
    read -r first position < <(gzip --decompress --stdout -- "$dump" | sed -n "s/^-- CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='\([^']*\)', SOURCE_LOG_POS=\([0-9]*\);/\1 \2/p") ||
        fail "$dump has no position in the binary log"
    mapfile -t logs < <(find "$folder" -name 'binlog.[0-9]*' | sort | awk -v first="$folder/$first" '$0 >= first')
    [[ ${logs[0]-} == "$folder/$first" ]] || fail "$folder has no $first, which the backup names: it is older than a week"
    # Without their GTIDs, which the server has executed before: it would skip them.
    TZ=UTC mysqlbinlog --skip-gtids --start-position="$position" --stop-datetime="$until" "${logs[@]}"
}

# Imports the definitions on standard input into the broker.
import_definitions() {
    # rabbitmqctl must not get a standard input that is no terminal.
    compose exec --no-TTY rabbit bash -c 'file=$(mktemp) && cat >"$file" && rabbitmqctl --quiet import_definitions "$file" </dev/null >/dev/null
        status=$?; rm -f -- "$file"; exit "$status"'
}

# The SQL text of a value.
sql_text() {
    printf "CONVERT(X'%s' USING utf8mb4)" "$(printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n')"
}

mysql_as_root() {
    compose exec --no-TTY mysql bash -c 'MYSQL_PWD=$(cat /run/secrets/mysql_root_password) mysql --user=root --skip-column-names my_monit'
}

# Binds a publisher to experiments: bind_publisher NAME EXPERIMENT…
bind_publisher() {
    local name=$1 experiment names=() found
    shift
    for experiment in "$@"; do
        found=$(mysql_as_root <<<"SELECT COUNT(*) FROM EXPERIMENTS WHERE NAME = $(sql_text "$experiment");") ||
            fail "MySQL does not answer; ./run.sh logs mysql says why"
        [[ $found == 1 ]] || fail "there is no experiment \"$experiment\""
        names+=("$(sql_text "$experiment")")
    done
    mysql_as_root <<SQL || fail "MySQL refused the binding of the publisher"
START TRANSACTION;
REPLACE INTO PUBLISHERS (NAME, IS_BOUND) VALUES ($(sql_text "$name"), TRUE);
INSERT INTO PUBLISHER_EXPERIMENTS (PUBLISHER, EXPERIMENT_ID)
    SELECT $(sql_text "$name"), ID FROM EXPERIMENTS WHERE NAME IN ($(IFS=,; printf '%s' "${names[*]}"));
COMMIT;
SQL
    say "$name may publish to: $*"
}

# The broker's definitions of an account that may publish to the exchange mymonit, and nothing else,
# with few connections: adapter_definitions NAME, with the password on standard input. The broker
# gets a hash only.
adapter_definitions() {
    printf '{ "users": [%s], "permissions": [%s] }\n' "$(rabbit_user "$1" '' '"max-connections": 16, "max-channels": 64')" \
        "$(rabbit_permissions "$1" '^$' '^mymonit$' '^$')"
}

# Adds a broker account of an adapter. With experiments it may publish to these only.
add_adapter() {
    local name=${1-} password
    [[ $name =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$ ]] ||
        fail "adapter NAME: \"$name\" is not 1 to 64 letters, digits, dots, dashes and underscores, the first one a letter or digit"
    compose exec --no-TTY rabbit rabbitmqctl --quiet list_users </dev/null | cut --fields=1 | grep -Fqx -- "$name" &&
        fail "the broker account $name exists already; docker compose exec rabbit rabbitmqctl delete_user $name removes it"
    (($# == 1)) || bind_publisher "$@"
    password=$(random_secret)
    printf '%s' "$password" | adapter_definitions "$name" | import_definitions || fail "the broker refused the account; ./run.sh logs rabbit says why"
    say "added; the password is shown only now:"
    printf 'RABBIT_USER=%s\nRABBIT_PASSWORD=%s\n' "$name" "$password"
}

# Adds the first administrator, since the API needs one to add users. Prompts for missing values:
# arguments are visible to every user of this machine, and stay in the shell's history.
add_administrator() {
    (($# >= 1 && $# <= 4)) || fail "administrator USER_ID [NAME EMAIL FIREBASE_UID]"
    local value hex=() names=(USER_ID NAME EMAIL FIREBASE_UID)
    while (($# < 4)); do
        read -r -p "${names[$#]}: " value || fail "${names[$#]} is missing"
        set -- "$@" "$value"
    done
    for value in "$@"; do
        [[ $value =~ ^[^[:cntrl:]]+$ && $value != ' '* && $value != *' ' ]] || fail "\"$value\" is empty, begins or ends with a space, or holds a control character"
    done
    ((${#1} <= 30)) || fail "USER_ID has at most 30 characters"
    ((${#2} <= 100)) || fail "NAME has at most 100 characters"
    # EMAIL_KEY of other addresses needs Unicode case folding.
    LC_ALL=C grep -Eqx '[!-?A-~]{1,64}@[!-?A-~]{1,189}' <<<"$3" || fail "EMAIL: \"$3\" is not an ASCII address such as ada@example.org"
    ((${#4} <= 128)) || fail "FIREBASE_UID has at most 128 characters"
    for value in "$1" "$2" "$4" "$3" "${3,,}"; do
        hex+=("CONVERT(X'$(printf '%s' "$value" | od -An -v -tx1 | tr -d ' \n')' USING utf8mb4)")
    done
    compose exec --no-TTY mysql bash -c 'MYSQL_PWD=$(cat /run/secrets/mysql_root_password) mysql --user=root my_monit' <<SQL ||
INSERT INTO USERS (ID, NAME, USERNAME, EMAIL, EMAIL_KEY, ROLE) VALUES (${hex[0]}, ${hex[1]}, ${hex[2]}, ${hex[3]}, ${hex[4]}, 1);
SQL
        fail "MySQL refused the administrator; a user with this id, e-mail or Firebase uid may exist"
    say "$1 is an administrator"
}
