#!/bin/bash
# Gives Kibana its data views and dashboards. Safe to repeat, which it is at each start: what is of these names is replaced.
#
# Kibana can answer an import with 200 and have failed, so its answer is read.
set -euo pipefail

answer=$(curl --silent --show-error --max-time 120 --config <(printf 'user = "elastic:%s"\n' "$(cat /run/secrets/elastic_password)") \
    --header 'kbn-xsrf: setup' --form file=@/mymonit/saved-objects.ndjson \
    'http://kibana:5601/kibana/api/saved_objects/_import?overwrite=true')
if [[ $answer != *'"success":true'* || $answer == *'"success":false'* ]]; then
    echo "setup: the import failed: $answer" >&2
    exit 1
fi
echo "setup: imported the data views and dashboards"
