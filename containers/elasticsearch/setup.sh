#!/bin/bash
# Tells Elasticsearch who may come in, how long log lines are kept and what their fields are. Safe to repeat, which it is at each start.
# The first thing that is refused ends it with what was answered, and what depends on it does not start.
set -euo pipefail
readonly elasticsearch=http://elasticsearch:9200

# put PATH, with the body on standard input. The password goes by a configuration that is read from a file of the shell's own:
# arguments can be seen by others.
put() {
    local path=$1 body answer status
    body=$(cat)
    answer=$(curl --silent --show-error --max-time 60 --config <(printf 'user = "elastic:%s"\n' "$(cat /run/secrets/elastic_password)") \
        --request PUT --header 'Content-Type: application/json' --data-binary @<(printf '%s' "$body") \
        --write-out '\n%{http_code}' "$elasticsearch$path")
    status=${answer##*$'\n'}
    if [[ $status != 200 && $status != 201 ]]; then
        echo "setup: PUT $path was answered with $status: ${answer%$'\n'*}" >&2
        exit 1
    fi
    echo "setup: $path"
}

# All files of a folder: put_all FOLDER PATH.
put_all() {
    local file name
    for file in "/mymonit/$1"/*.json; do
        name=$(basename -- "$file" .json)
        put "$2/$name" <"$file"
    done
}

user() {
    put "/_security/user/$1" <<USER
{ "password": "$(cat "/run/secrets/$2")", "roles": ["$3"], "full_name": "$4" }
USER
}

put_all policies /_ilm/policy
put_all components /_component_template
put_all templates /_index_template
put_all roles /_security/role
put /_security/user/kibana_system/_password <<PASSWORD
{ "password": "$(cat /run/secrets/kibana_system_password)" }
PASSWORD
user logstash_writer logstash_password mymonit-writer 'Logstash'
user operator kibana_operator_password mymonit-operator 'Operator'
user auditor kibana_auditor_password mymonit-auditor 'Auditor'
echo "setup: done"
