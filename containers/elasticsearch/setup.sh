#!/bin/bash
# Sets up Elasticsearch: accounts and roles, retention, fields, snapshots. Runs at each start; safe
# to repeat. The first refusal ends it with the answer, and what depends on it does not start.
# kubernetes/overlays/operators runs it as well.
set -euo pipefail
folder=$(dirname -- "$0")
# shellcheck source=containers/elasticsearch/request.sh
source "$folder/request.sh"

# put PATH, with the body on standard input.
put() {
    checked PUT "$1" >/dev/null
    echo "setup: $1"
}

# All files of a folder: put_all FOLDER PATH. A file mounted from a ConfigMap is named
# FOLDER.NAME.json.
put_all() {
    local file name
    for file in "$folder/$1"/*.json "$folder/$1".*.json; do
        [[ -e $file ]] || continue
        name=$(basename -- "$file" .json)
        put "$2/${name#"$1".}" <"$file"
    done
}

# user NAME SECRET ROLE FULL-NAME; skipped where the secret is not mounted.
user() {
    [[ -e $secrets/$2 ]] || return 0
    put "/_security/user/$1" <<USER
{ "password": "$(cat "$secrets/$2")", "roles": ["$3"], "full_name": "$4" }
USER
}

wait_for_elasticsearch
put_all policies /_ilm/policy
put_all components /_component_template
put_all templates /_index_template
put_all roles /_security/role
# Elsewhere than in the container stack the site adds its own repository.
if compgen -G "$folder/repositories/*.json" || compgen -G "$folder/repositories.*.json"; then
    put_all repositories /_snapshot
    put_all snapshots /_slm/policy
fi
if [[ -e $secrets/kibana_system_password ]]; then
    put /_security/user/kibana_system/_password <<PASSWORD
{ "password": "$(cat "$secrets/kibana_system_password")" }
PASSWORD
fi
user logstash_writer logstash_password mymonit-writer 'Logstash'
user operator kibana_operator_password mymonit-operator 'Operator'
user auditor kibana_auditor_password mymonit-auditor 'Auditor'
echo "setup: done"
