# shellcheck shell=bash
# Requests to Elasticsearch as its superuser. Source it where the secret elastic_password is.
#
# ELASTICSEARCH is the address, CA_FILE the authority where that is https, SECRETS the folder of the
# secrets.
elasticsearch=${ELASTICSEARCH:-http://elasticsearch:9200}
secrets=${SECRETS:-/run/secrets}

# request METHOD PATH: the body on standard input, the answer on standard output, its last line the
# status (000: no connection). The password goes through a file descriptor, since arguments are
# visible to other processes.
request() {
    curl --silent --max-time "${REQUEST_SECONDS:-60}" --config <(printf 'user = "elastic:%s"\n' "$(cat "$secrets/elastic_password")") \
        ${CA_FILE:+--cacert "$CA_FILE"} --request "$1" --header 'Content-Type: application/json' --data-binary @- \
        --write-out '\n%{http_code}' "$elasticsearch$2" || true
}

# Until a node and its security index have started, Elasticsearch refuses connections or answers
# 401, 429 or 503, even to the right password. Waits at most 300 s for the index.
wait_for_elasticsearch() {
    local deadline=$((SECONDS + 300)) answer
    while answer=$(request GET /_security/_authenticate </dev/null) && [[ ${answer##*$'\n'} != 200 ]]; do
        if ((SECONDS > deadline)) || [[ ! ${answer##*$'\n'} =~ ^(000|401|429|503)$ ]]; then
            echo "setup: GET /_security/_authenticate: $answer" >&2
            return 1
        fi
        sleep 2
    done
}

# checked METHOD PATH: like request, but ends the script unless the status is 200 or 201, and prints
# the answer without it. What a cluster that is still starting refuses is sent again.
checked() {
    local body answer status attempt
    body=$(cat)
    for attempt in {1..30}; do
        answer=$(request "$1" "$2" <<<"$body")
        status=${answer##*$'\n'}
        [[ $status =~ ^(000|401|429|503)$ && $attempt != 30 ]] || break
        sleep 2
    done
    if [[ $status != 200 && $status != 201 ]]; then
        echo "setup: $1 $2: status $status: ${answer%$'\n'*}" >&2
        exit 1
    fi
    printf '%s\n' "${answer%$'\n'*}"
}
