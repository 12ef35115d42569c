#!/usr/bin/env bash
# Backs up the stack while it runs: the database, the broker's definitions (with the
# accounts of adapters) and the audit events.
#
#     containers/backup.sh [FOLDER]     writes FOLDER/<UTC time>/; the default is BACKUP_FOLDER, or
#                                       backups/
#
# A backup gets its name when it is complete. It holds personal data and password hashes: keep it on
# an encrypted disk with restricted access, and a copy on another machine.
# containers/restore.sh restores it.
#
# Messages that wait in the broker are not in it; they stay on the broker's volume until they are
# stored.
set -euo pipefail
given=${1:-${BACKUP_FOLDER-}}
folder=${given:+$(realpath --canonicalize-missing -- "$given")}
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."
folder=${folder:-$PWD/backups}
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

say "saving the database (a minute for some ten million measures)"
update_database_accounts
# The container's shell expands it. The options are in containers/mysql/mymonit.cnf.
# shellcheck disable=SC2016
compose exec --no-TTY mysql bash -c 'MYSQL_PWD=$(cat /run/secrets/mysql_backup_password) exec mysqldump --user=backup my_monit' |
    gzip >"$unfinished/my_monit.sql.gz"
# The last line of a whole dump.
zcat -- "$unfinished/my_monit.sql.gz" | tail --lines=1 | grep -q '^-- Dump completed' ||
    fail "the dump of the database is not whole; nothing was saved"

say "saving the broker's definitions"
compose exec --no-TTY rabbit bash -c 'rabbitmqctl --quiet export_definitions /tmp/definitions.json </dev/null >/dev/null && cat /tmp/definitions.json && rm /tmp/definitions.json' \
    >"$unfinished/rabbit-definitions.json"
grep -q '"name":"measures"' "$unfinished/rabbit-definitions.json" || fail "the broker gave no definitions; nothing was saved"

if [[ -n $(compose ps --quiet elasticsearch) ]]; then
    say "saving the audit events"
    compose exec --no-TTY elasticsearch bash /mymonit/snapshot.sh "backup-${name,,}" | gzip >"$unfinished/audit-events.tar.gz" ||
        fail "Elasticsearch gave no snapshot of the audit events; nothing was saved"
else
    say "Elasticsearch does not run: this backup has no audit events"
fi

(cd -- "$unfinished" && sha256sum -- * >SHA256SUMS)
mv -- "$unfinished" "$folder/$name"
say "saved $folder/$name ($(du --summarize --human-readable -- "$folder/$name" | cut --fields=1))"
