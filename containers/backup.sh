#!/usr/bin/env bash
# Saves the database and the broker's definitions (accounts of adapters among them) of the running stack, without a pause.
#
#     containers/backup.sh [FOLDER]     makes FOLDER/<UTC time>/; the default is backups/
#
# A backup is under its name only when it is whole. It holds personal data and password hashes: keep it where only those come who may
# see them, on an encrypted disk, and not on this machine alone. containers/restore.sh takes it back.
#
# Messages that wait in the broker are not in it; they are kept on the broker's own volume until they are stored.
set -euo pipefail
folder=$(realpath --canonicalize-missing -- "${1:-backups}")
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."
[[ $# -gt 0 ]] || folder=$PWD/backups
# shellcheck source=scripts/machine.sh
source scripts/machine.sh
# shellcheck source=scripts/secrets.sh
source scripts/secrets.sh
# shellcheck source=scripts/stack.sh
source scripts/stack.sh
need_stack

umask 077
name=$(date --utc +%Y-%m-%dT%H%M%SZ)
unfinished=$folder/.$name.unfinished
mkdir -p -- "$unfinished"
trap 'rm -rf -- "$unfinished"' EXIT

say "saving the database"
# One transaction sees one moment; nobody waits for it.
# The container's shell is to expand it.
# shellcheck disable=SC2016
compose exec --no-TTY mysql bash -c 'MYSQL_PWD=$(cat /run/secrets/mysql_backup_password) exec mysqldump --user=backup \
    --single-transaction --quick --no-tablespaces --hex-blob --default-character-set=utf8mb4 \
    --loose-set-gtid-purged=OFF --loose-skip-masking-policies my_monit' |
    gzip >"$unfinished/my_monit.sql.gz"
# Its last line says that it is whole.
zcat -- "$unfinished/my_monit.sql.gz" | tail --lines=1 | grep -q '^-- Dump completed' ||
    fail "the database's dump is not whole; nothing was saved"

say "saving the broker's definitions"
compose exec --no-TTY rabbit bash -c 'rabbitmqctl --quiet export_definitions /tmp/definitions.json </dev/null >/dev/null && cat /tmp/definitions.json && rm /tmp/definitions.json' \
    >"$unfinished/rabbit-definitions.json"
grep -q '"name":"measures"' "$unfinished/rabbit-definitions.json" || fail "the broker gave no definitions; nothing was saved"

(cd -- "$unfinished" && sha256sum -- * >SHA256SUMS)
mv -- "$unfinished" "$folder/$name"
say "saved $folder/$name ($(du --summarize --human-readable -- "$folder/$name" | cut --fields=1))"
