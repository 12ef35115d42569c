#!/bin/sh
# Starts Alertmanager with alertmanager.yml and the receivers that the environment names
# (docs/production.md#alerts). Alertmanager expands no variables, so this writes the receivers into
# the configuration, in memory (/tmp).
#
#     start.sh [PROGRAM ARGUMENT…]    runs that program instead of `alertmanager` with the
#                                     container's arguments
set -eu
folder=$(dirname -- "$0")
secrets=${ALERT_SECRETS:-/run/secrets}
configuration=${ALERT_CONFIGURATION:-/tmp/alertmanager.yml}

# A value as a YAML string in single quotes.
quoted() {
    printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")"
}

# The content of a secret; nothing where its file is empty or missing.
secret() {
    [ ! -s "$secrets/$1" ] || cat -- "$secrets/$1"
}

print_receivers() {
    webhook=$(secret alert_webhook_url)
    echo 'receivers:'
    echo '  - name: operators'
    if [ -n "${ALERT_EMAIL_TO:-}" ]; then
        cat <<EMAIL
    email_configs:
      - to: $(quoted "$ALERT_EMAIL_TO")
        from: $(quoted "${ALERT_EMAIL_FROM:?ALERT_EMAIL_FROM: empty; allowed: the address that alerts come from}")
        smarthost: $(quoted "${ALERT_SMTP_HOST:?ALERT_SMTP_HOST: empty; allowed: HOST:PORT of the mail server}")
        require_tls: ${ALERT_SMTP_TLS:-true}
        send_resolved: true
EMAIL
        if [ -n "${ALERT_SMTP_USER:-}" ]; then
            echo "        auth_username: $(quoted "$ALERT_SMTP_USER")"
            echo "        auth_password: $(quoted "$(secret alert_smtp_password)")"
        fi
    fi
    if [ -n "$webhook" ]; then
        echo '    webhook_configs:'
        echo "      - url: $(quoted "$webhook")"
        echo '        send_resolved: true'
        [ -z "${HTTPS_PROXY:-}" ] || printf '        http_config:\n          proxy_from_environment: true\n'
    fi
    if [ -z "${ALERT_EMAIL_TO:-}$webhook" ]; then
        echo 'alertmanager: no receiver; alerts are delivered nowhere. Set ALERT_EMAIL_TO or secrets/alert_webhook_url' >&2
    fi
}

umask 077
{
    cat -- "$folder/alertmanager.yml"
    print_receivers
} >"$configuration"
amtool check-config "$configuration" >/dev/null
if [ $# -eq 0 ]; then
    set -- alertmanager --storage.path=/alertmanager --cluster.listen-address= --web.external-url="${ALERT_PUBLIC_URL:-http://localhost:9093}"
fi
exec "$@" --config.file="$configuration"
