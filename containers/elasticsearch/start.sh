#!/bin/bash
# Starts Elasticsearch by the image's own script. That one wants the password's file to be its user's own and nobody else's, which a
# secret that is handed to several containers cannot be; so it gets the password itself.
set -euo pipefail
ELASTIC_PASSWORD=$(cat /run/secrets/elastic_password)
export ELASTIC_PASSWORD
exec /bin/tini -- /usr/local/bin/docker-entrypoint.sh eswrapper
