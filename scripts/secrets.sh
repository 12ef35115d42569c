# shellcheck shell=bash
# Makes what the containers have to keep to themselves, once: passwords and a certificate, as files. To be sourced after machine.sh.

# Where they lie. Nobody but the owner comes into the folder; in it the files are readable for all, since containers read them as
# users of their own, to whom they are handed one by one.
secrets_folder=${SECRETS_DIR:-$PWD/secrets}

# Writes standard input to a secret's file, which then is whole or not there.
write_secret() {
    local file=$secrets_folder/$1
    (umask 077 && cat >"$file.unfinished")
    [[ -s $file.unfinished ]] || fail "could not make the secret $1"
    chmod 0444 "$file.unfinished"
    mv -- "$file.unfinished" "$file"
}

# 192 bits, in letters that need no quotes anywhere.
random_secret() {
    openssl rand -hex 24
}

make_password() {
    [[ -s $secrets_folder/$1 ]] || random_secret | tr -d '\n' | write_secret "$1"
}

# A certificate for this machine, which is good for trying; real ones take its place (docs/production.md). It is signed by an
# authority of its own, which is what clients have to trust: some refuse a certificate that is its own authority. The
# authority's key is thrown away, so that nobody can ever sign with it again.
make_certificate() {
    [[ ! -s $secrets_folder/tls_certificate.pem || ! -s $secrets_folder/tls_key.pem ]] || return 0
    local host names folder
    host=$(hostname --fqdn 2>/dev/null || hostname)
    names=DNS:localhost,IP:127.0.0.1
    [[ $host == localhost ]] || names+=,DNS:$host
    say "making a certificate for $names"
    folder=$(mktemp --directory "$secrets_folder/unfinished.XXXXXX")
    local new_key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc)
    if openssl req -x509 "${new_key[@]}" -days 825 -subj "/CN=MyMONIT authority of ${host:0:40}" \
        -addext keyUsage=critical,keyCertSign -keyout "$folder/authority-key" -out "$folder/authority" 2>/dev/null &&
        openssl req -x509 "${new_key[@]}" -days 825 -subj "/CN=${host:0:60}" -addext "subjectAltName=$names" \
            -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=serverAuth \
            -CA "$folder/authority" -CAkey "$folder/authority-key" \
            -keyout "$folder/key" -out "$folder/certificate" 2>/dev/null; then
        write_secret tls_key.pem <"$folder/key"
        write_secret tls_certificate.pem <"$folder/certificate"
        write_secret tls_authority.pem <"$folder/authority"
        rm -rf -- "$folder"
    else
        rm -rf -- "$folder"
        fail "openssl could not make a certificate"
    fi
}

# The password on standard input as RabbitMQ keeps it: 4 random bytes, and the SHA-256 of these and the password.
rabbit_password_hash() {
    local salt
    salt=$(openssl rand -hex 4)
    {
        hex_to_bytes "$salt"
        { hex_to_bytes "$salt" && cat; } | openssl dgst -sha256 -binary
    } | base64 --wrap=0
}

# An account for the broker's definitions: rabbit_user NAME TAGS, with the password on standard input.
rabbit_user() {
    printf '{ "name": "%s", "password_hash": "%s", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": [%s] }' \
        "$1" "$(rabbit_password_hash)" "$2"
}

# What an account may do: rabbit_permissions NAME CONFIGURE WRITE READ, each a pattern of names.
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

# The broker's accounts that the stack needs itself. Those of adapters are made by `./run.sh adapter NAME`.
make_rabbit_accounts() {
    [[ ! -s $secrets_folder/rabbit_accounts.json ]] || return 0
    write_secret rabbit_accounts.json <<ACCOUNTS
{
  "users": [
    $(rabbit_user mymonit '' <"$secrets_folder/rabbit_service_password"),
    $(rabbit_user monitoring '"monitoring"' <"$secrets_folder/rabbit_monitoring_password")
  ],
  "permissions": [
    $(rabbit_permissions mymonit '^(mymonit|measures)$' '^measures$' '^(mymonit|measures)$'),
    $(rabbit_permissions monitoring '^$' '^$' '^$')
  ]
}
ACCOUNTS
}

# Makes what is missing and leaves what is there.
make_secrets() {
    local name
    (umask 077 && mkdir -p -- "$secrets_folder")
    chmod 0700 "$secrets_folder"
    for name in mysql_root_password mysql_service_password mysql_backup_password rabbit_service_password \
        rabbit_monitoring_password elastic_password kibana_system_password logstash_password kibana_encryption_key \
        kibana_operator_password kibana_auditor_password grafana_admin_password; do
        make_password "$name"
    done
    make_rabbit_accounts
    make_certificate
}
