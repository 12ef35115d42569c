#!/bin/bash
# Takes a snapshot of the audit events and writes the snapshot repository to standard output, as a
# tar archive: snapshot.sh NAME. Run by containers/backup.sh in the container of Elasticsearch.
set -euo pipefail
# shellcheck source=containers/elasticsearch/request.sh
source "$(dirname -- "$0")/request.sh"
elasticsearch=http://127.0.0.1:9200
REQUEST_SECONDS=3600
answer=$(checked PUT "/_snapshot/mymonit/$1?wait_for_completion=true" <<<'{ "indices": ["logs-mymonit.audit-*"], "include_global_state": false }')
if [[ $answer != *'"state":"SUCCESS"'* ]]; then
    echo "snapshot: $answer" >&2
    exit 1
fi
tar --create --directory=/usr/share/elasticsearch/logs/snapshots .
# The archive has it.
checked DELETE "/_snapshot/mymonit/$1" </dev/null >/dev/null
