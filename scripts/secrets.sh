# shellcheck shell=bash
# Makes the secrets of the containers, once: passwords and a certificate, as files. Source it after
# machine.sh.

# Only the owner has access to the folder. Its files are readable by all, since each container reads
# them as its own user.
secrets_folder=${SECRETS_DIR:-$PWD/secrets}

# Writes standard input to a secret's file atomically.
write_secret() {
    local file=$secrets_folder/$1
    (umask 077 && cat >"$file.unfinished")
    [[ -s $file.unfinished ]] || fail "could not make the secret $1"
    chmod 0444 "$file.unfinished"
    mv -- "$file.unfinished" "$file"
}

# 192 bits, in characters that need no quotes.
random_secret() {
    openssl rand -hex 24
}

make_password() {
    [[ -s $secrets_folder/$1 ]] || random_secret | tr -d '\n' | write_secret "$1"
}

# Makes NAME_certificate.pem, NAME_key.pem and NAME_authority.pem, and with `client`
# NAME_client.pem, the certificate and key of its clients: make_certificate NAME HOST NAMES DAYS
# [client]. An authority signs, since clients refuse a self-signed certificate; its key is deleted.
make_certificate() {
    local name=$1 host=$2 names=$3 days=$4 client=${5-} folder
    if [[ -s $secrets_folder/${name}_certificate.pem && -s $secrets_folder/${name}_key.pem ]]; then
        [[ -n $client && ! -s $secrets_folder/${name}_client.pem ]] || return 0
    fi
    say "making a certificate for $names"
    folder=$(mktemp --directory "$secrets_folder/unfinished.XXXXXX")
    local new_key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc)
    if openssl req -x509 "${new_key[@]}" -days "$days" -subj "/CN=MyMONIT authority of ${host:0:40}" \
        -addext keyUsage=critical,keyCertSign -keyout "$folder/authority-key" -out "$folder/authority" 2>/dev/null &&
        openssl req -x509 "${new_key[@]}" -days "$days" -subj "/CN=${host:0:60}" -addext "subjectAltName=$names" \
            -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=serverAuth \
            -CA "$folder/authority" -CAkey "$folder/authority-key" \
            -keyout "$folder/key" -out "$folder/certificate" 2>/dev/null &&
        make_client_certificate "$client" "$folder"; then
        [[ -z $client ]] || cat -- "$folder/client" "$folder/client-key" | write_secret "${name}_client.pem"
        write_secret "${name}_key.pem" <"$folder/key"
        write_secret "${name}_authority.pem" <"$folder/authority"
        write_secret "${name}_certificate.pem" <"$folder/certificate"
        rm -rf -- "$folder"
    else
        rm -rf -- "$folder"
        fail "openssl could not make a certificate"
    fi
}

# Uses `new_key`, `name` and `days` of its caller.
make_client_certificate() {
    local folder=$2
    [[ -z $1 ]] || openssl req -x509 "${new_key[@]}" -days "$days" -subj "/CN=client of $name" \
        -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=clientAuth \
        -CA "$folder/authority" -CAkey "$folder/authority-key" -keyout "$folder/client-key" -out "$folder/client" 2>/dev/null
}

# The default certificate for clients (docs/production.md), that of the database server, which the
# service verifies, and those with which Logstash and its clients verify each other.
make_certificates() {
    local host names=DNS:localhost,IP:127.0.0.1
    host=$(hostname --fqdn 2>/dev/null || hostname)
    [[ $host == localhost ]] || names+=,DNS:$host
    make_certificate tls "$host" "$names" 825
    make_certificate mysql mysql DNS:mysql,DNS:localhost,IP:127.0.0.1 3650
    make_certificate logstash logstash DNS:logstash,DNS:localhost,IP:127.0.0.1 3650 client
}

# RabbitMQ's hash of the password on standard input: 4 random bytes, and the SHA-256 of these and
# the password.
rabbit_password_hash() {
    local salt
    salt=$(openssl rand -hex 4)
    {
        hex_to_bytes "$salt"
        { hex_to_bytes "$salt" && cat; } | openssl dgst -sha256 -binary
    } | base64 --wrap=0
}

# An account for the broker's definitions: rabbit_user NAME TAGS [LIMITS], with the password on
# standard input.
rabbit_user() {
    printf '{ "name": "%s", "password_hash": "%s", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": [%s], "limits": {%s} }' \
        "$1" "$(rabbit_password_hash)" "$2" "${3-}"
}

# The permissions of an account: rabbit_permissions NAME CONFIGURE WRITE READ, each a pattern of
# names.
rabbit_permissions() {
    printf '{ "user": "%s", "vhost": "/", "configure": "%s", "write": "%s", "read": "%s" }' "$@"
}

hex_to_bytes() {
    local hex=$1 escaped=
    while [[ -n $hex ]]; do
        escaped+="\\x${hex:0:2}"
        hex=${hex:2}
    done
    # The format is the bytes.
    # shellcheck disable=SC2059
    printf "$escaped"
}

# The stack's own broker accounts. `./run.sh adapter NAME` adds those of adapters. The service
# writes to the default exchange, `amq.default`, to notify publishers of rejected messages.
make_rabbit_accounts() {
    local file=$secrets_folder/rabbit_accounts.json write='"write": "^(measures|amq[.]default)$"'
    if [[ -s $file ]]; then
        # Of a release without replies; the broker reads the file when it starts.
        # shellcheck disable=SC2016
        [[ $(<"$file") != *'"write": "^measures$"'* ]] ||
            sed "s/\"write\": \"^measures\\$\"/$write/" "$file" | write_secret rabbit_accounts.json
        return 0
    fi
    write_secret rabbit_accounts.json <<ACCOUNTS
{
  "users": [
    $(rabbit_user mymonit '' <"$secrets_folder/rabbit_service_password"),
    $(rabbit_user monitoring '"monitoring"' <"$secrets_folder/rabbit_monitoring_password")
  ],
  "permissions": [
    $(rabbit_permissions mymonit '^(mymonit|measures)$' '^(measures|amq[.]default)$' '^(mymonit|measures)$'),
    $(rabbit_permissions monitoring '^$' '^$' '^$')
  ]
}
ACCOUNTS
}

# Makes the missing secrets and keeps the others.
make_secrets() {
    local name
    (umask 077 && mkdir -p -- "$secrets_folder")
    chmod 0700 "$secrets_folder"
    for name in mysql_root_password mysql_service_password mysql_migration_password mysql_backup_password rabbit_service_password \
        rabbit_monitoring_password elastic_password kibana_system_password logstash_password kibana_encryption_key \
        kibana_operator_password kibana_auditor_password grafana_admin_password; do
        make_password "$name"
    done
    # Optional: empty until an operator writes them.
    for name in alert_smtp_password alert_webhook_url grafana_api_token outgoing_authorities.pem; do
        [[ -e $secrets_folder/$name ]] || install -m 0444 /dev/null "$secrets_folder/$name"
    done
    make_rabbit_accounts
    make_certificates
    # Compose cannot label secrets for SELinux.
    if [[ $(getenforce 2>/dev/null) == Enforcing ]]; then
        chcon --recursive --type container_file_t "$secrets_folder"
    fi
}
