#!/bin/bash
# The health check: Elasticsearch accepts the superuser's password, so its security index has
# started.
set -euo pipefail
# shellcheck source=containers/elasticsearch/request.sh
source "$(dirname -- "$0")/request.sh"
[[ $(ELASTICSEARCH=http://127.0.0.1:9200 REQUEST_SECONDS=4 request GET /_security/_authenticate </dev/null) == *$'\n200' ]]
