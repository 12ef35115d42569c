#!/bin/bash
# Imports data views and dashboards into Kibana, as the account operator. Runs at each start; safe
# to repeat: it replaces objects of the same names.
set -euo pipefail

# Kibana can answer 200 to a failed import, so the answer counts.
#
# KIBANA is the address, CA_FILE the authority where that is https, SECRETS the folder of the
# secrets.
answer=$(curl --silent --show-error --max-time 120 --config <(printf 'user = "operator:%s"\n' "$(cat "${SECRETS:-/run/secrets}/kibana_operator_password")") \
    ${CA_FILE:+--cacert "$CA_FILE"} \
    --header 'kbn-xsrf: setup' --form "file=@$(dirname -- "$0")/saved-objects.ndjson" \
    "${KIBANA:-http://kibana:5601}/api/saved_objects/_import?overwrite=true")
if [[ $answer != *'"success":true'* || $answer == *'"success":false'* ]]; then
    echo "setup: the import failed: $answer" >&2
    exit 1
fi
echo "setup: imported the data views and dashboards"
