#!/bin/bash
# Starts Logstash by the image's own script, with the password in the environment, for the pipeline.
set -euo pipefail
LOGSTASH_PASSWORD=$(cat /run/secrets/logstash_password)
export LOGSTASH_PASSWORD
exec /usr/local/bin/docker-entrypoint
