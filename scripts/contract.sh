# shellcheck shell=bash
# Tests the REST contract on a private service in evaluation mode with a private broker: the
# document, the Postman collection, and random requests generated from the document. Source it after
# machine.sh and private-servers.sh, in the root of the repository.

readonly contract_folder=$PWD/target/contract

# The address of the service that start_contract_service started.
contract_url=

# Installs the Python packages of schemathesis/requirements.txt, unless they are installed.
need_python_programs() {
    local venv=$contract_folder/venv wanted=schemathesis/requirements.txt
    cmp --quiet -- "$wanted" "$venv/requirements.txt" && return
    say "installing the Python programs of $wanted"
    rm -rf -- "$venv"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
    cp -- "$wanted" "$venv/requirements.txt"
}

# Installs newman, unless it is installed.
need_newman() {
    local folder=$contract_folder/newman
    cmp --quiet -- postman/package-lock.json "$folder/installed.json" && return
    say "installing newman"
    rm -rf -- "$folder"
    mkdir -p -- "$folder"
    cp -- postman/package.json postman/package-lock.json "$folder"
    npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error
    cp -- postman/package-lock.json "$folder/installed.json"
}

contract_service_is_ready() {
    [[ $(http_status 127.0.0.1 "${contract_url##*:}" /health/ready) == 200 ]]
}

# Starts broker and service, with empty data.
start_contract_service() {
    need_python_programs
    need_newman
    cargo build --quiet --locked --package mymonit-app
    # No proxy of this machine between the tests and the service.
    export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1
    local folder=$contract_folder/service broker_port rest_port metrics_port
    rm -rf -- "$folder"
    mkdir -p -- "$folder"
    broker_port=$(free_port)
    start_private_rabbitmq "$folder/rabbitmq" "$broker_port"
    rest_port=$(free_port)
    metrics_port=$(free_port "$rest_port")
    contract_url=http://127.0.0.1:$rest_port
    start_apart "$folder/mymonit.log" env --chdir="$folder" REST_PORT="$rest_port" METRICS_PORT="$metrics_port" \
        LOGSTASH_HOST= REST_USER_REQUESTS_PER_SECOND=10000 RABBIT_URL="127.0.0.1:$broker_port" "$PWD/target/debug/mymonit" serve --evaluation
    wait_until_it MyMONIT "$folder/mymonit.log" contract_service_is_ready
    /usr/bin/python3 postman/publish.py "127.0.0.1:$broker_port"
    wait_until_it "the reading of the messages" "$folder/mymonit.log" messages_are_in
}

# Whether the messages of postman/publish.py are stored: the last two of them are rejected.
messages_are_in() {
    local rejected
    rejected=$(curl --silent --noproxy '*' --max-time 60 --header "Authorization: Bearer $(contract_token A001)" \
        "$contract_url/rejected-messages/") && [[ $(grep --only-matching '"reason"' <<<"$rejected" | wc -l) == 2 ]]
}

contract_token() {
    (cd -- "$contract_folder/service" && ../../debug/mymonit token "$1")
}

run_collection() {
    say "checking the OpenAPI document"
    "$contract_folder/venv/bin/openapi-spec-validator" api.yaml
    say "running the Postman collection"
    "$contract_folder/venv/bin/python" postman/coverage.py api.yaml postman/mymonit.postman_collection.json
    "$contract_folder/newman/node_modules/.bin/newman" run postman/mymonit.postman_collection.json \
        --environment postman/evaluation.postman_environment.json --env-var "base_url=$contract_url" \
        --env-var "administrator_token=$(contract_token A001)" --env-var "scientist_token=$(contract_token S001)" \
        --env-var "other_scientist_token=$(contract_token S002)" --bail failure --reporters cli \
        --reporter-cli-no-banner --reporter-cli-no-success-assertions
}

# Sends at least FUZZ_REQUESTS random requests or, if that is not set, a few that are the same in
# each run.
fuzz_contract() {
    say "fuzzing the REST API"
    local run=$PWD/schemathesis/run.py binary=$PWD/target/debug/mymonit
    (
        cd -- "$contract_folder/service"
        "$contract_folder/venv/bin/python" "$run" "$contract_url" "$binary" ${FUZZ_REQUESTS:+"$FUZZ_REQUESTS"}
    )
}
