#!/bin/bash
# Starts Kibana by the image's own script, with its secrets in the environment, for kibana.yml.
set -euo pipefail
KIBANA_SYSTEM_PASSWORD=$(cat /run/secrets/kibana_system_password)
KIBANA_ENCRYPTION_KEY=$(cat /run/secrets/kibana_encryption_key)
export KIBANA_SYSTEM_PASSWORD KIBANA_ENCRYPTION_KEY
exec /bin/tini -- /usr/local/bin/kibana-docker
