#!/bin/sh
# Writes the settings that depend on the running container, for nginx.conf to include: the name
# server of /etc/resolv.conf, which Docker, Podman and Kubernetes set differently, and the published
# HTTPS port.
#
#     settings.sh [FILE [RESOLV.CONF]]
#
# The image runs it before the server.
set -eu
file=${1:-/tmp/settings.conf}
# nginx requires IPv6 addresses in brackets, and accepts none with a zone.
servers=$(awk '$1 == "nameserver" && $2 !~ /%/ { printf "%s ", ($2 ~ /:/ ? "[" $2 "]" : $2) }' "${2:-/etc/resolv.conf}")
if [ -z "$servers" ]; then
    echo "settings: ${2:-/etc/resolv.conf} names no name server; allowed: lines such as \"nameserver 127.0.0.11\"" >&2
    exit 1
fi
port=${HTTPS_PORT:-443}
port=:${port##*:}
[ "$port" != :443 ] || port=
cat >"$file" <<SETTINGS
# Processes of the service come and go: their addresses are valid for two seconds.
resolver ${servers}valid=2s ipv6=off;
resolver_timeout 5s;
map "" \$https_port {
    default "$port";
}
SETTINGS
