#!/bin/sh
# What the official image does before it starts the server, as far as the stack uses it.
set -eu
for script in /docker-entrypoint.d/*.sh; do
    [ ! -x "$script" ] || "$script"
done
exec "$@"
