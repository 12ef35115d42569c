#!/bin/bash
# Restores the audit events of the snapshot repository on standard input (the tar archive of
# snapshot.sh) into data streams of their own, logs-mymonit.audit-restored_<time>, which auditors
# see beside the present ones. Run by containers/restore.sh in the container of Elasticsearch.
set -euo pipefail
# shellcheck source=containers/elasticsearch/request.sh
source "$(dirname -- "$0")/request.sh"
elasticsearch=http://127.0.0.1:9200
REQUEST_SECONDS=3600
name=restored_$(date --utc +%Y%m%d%H%M%S)
folder=/usr/share/elasticsearch/logs/snapshots/$name
mkdir -- "$folder"
tar --extract --directory="$folder"
checked PUT "/_snapshot/$name" >/dev/null <<REPOSITORY
{ "type": "fs", "settings": { "location": "$folder", "readonly": true } }
REPOSITORY
# The snapshot that the backup took; the nightly ones are older.
snapshot=$(checked GET "/_cat/snapshots/$name?h=id&s=end_epoch" </dev/null | grep '^backup-' | tail --lines=1)
[[ -n $snapshot ]] || { echo "restore: the archive has no snapshot backup-*" >&2; exit 1; }
checked POST "/_snapshot/$name/${snapshot// /}/_restore?wait_for_completion=true" <<RESTORE
{ "indices": ["logs-mymonit.audit-*"], "include_global_state": false,
  "rename_pattern": "logs-mymonit.audit-(.+)", "rename_replacement": "logs-mymonit.audit-$name" }
RESTORE
checked DELETE "/_snapshot/$name" </dev/null >/dev/null
rm -r -- "$folder"
