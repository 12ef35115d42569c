#!/bin/bash
# Starts Elasticsearch by the image's own script. That script refuses a password file that others
# can read, as a secret of several containers is; so it gets the password itself.
set -euo pipefail
ELASTIC_PASSWORD=$(cat /run/secrets/elastic_password)
export ELASTIC_PASSWORD
exec /bin/tini -- /usr/local/bin/docker-entrypoint.sh eswrapper
