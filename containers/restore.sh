#!/usr/bin/env bash
# Replaces the data of the running stack by a backup of containers/backup.sh.
#
#     containers/restore.sh FOLDER [--yes] [--until 'YYYY-MM-DD HH:MM:SS']
#
# With --until it applies the changes after the backup up to that time (UTC), from the binary log of
# the last seven days. That needs MySQL's mysqlbinlog on this machine, which MySQL's image lacks.
#
# The service is stopped meanwhile; messages wait in the broker. What was stored after the backup is
# lost, unless its messages still wait: take a backup first. The audit events of the backup are
# added beside the current ones.
set -euo pipefail
backup=$(realpath -- "${1:?FOLDER: missing; allowed: the folder of a backup}")
shift
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."
# shellcheck source=scripts/machine.sh
source scripts/machine.sh
# shellcheck source=scripts/secrets.sh
source scripts/secrets.sh
# shellcheck source=scripts/stack.sh
source scripts/stack.sh
need_stack
keep_settings

(cd -- "$backup" && sha256sum --check --quiet SHA256SUMS) || fail "$backup is not a whole backup; nothing was changed"
sure='' until=''
while (($# > 0)); do
    case $1 in
    --yes) sure=yes ;;
    --until)
        until=${2-}
        [[ $until =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}\ [0-9]{2}:[0-9]{2}:[0-9]{2}$ ]] || fail "--until: \"$until\" is not a time; allowed: 'YYYY-MM-DD HH:MM:SS'"
        shift
        ;;
    *) fail "unknown argument $1; allowed: --yes, --until TIME" ;;
    esac
    shift
done
if [[ -n $until ]]; then
    folder=$(mktemp --directory --tmpdir mymonit-restore.XXXXXX)
    trap 'rm -rf -- "$folder"' EXIT
    say "reading the changes between the backup and $until UTC"
    compose cp mysql:/var/lib/mysql-binlog "$folder/logs"
    changes_since "$backup/my_monit.sql.gz" "$folder/logs" "$until" >"$folder/changes.sql"
fi
if [[ -z $sure ]]; then
    read -r -p "The data of this stack is replaced by $backup. Type yes: " answer
    [[ $answer == yes ]] || fail "nothing was changed"
fi

replicas=$(compose ps --quiet app | wc -l)
say "stopping the service"
compose stop app
update_database
compose up --detach --no-build --no-deps --wait rabbit

say "restoring the database"
# The container's shell expands it.
# shellcheck disable=SC2016
as_database_root='MYSQL_PWD=$(cat /run/secrets/mysql_root_password) exec mysql --user=root --default-character-set=utf8mb4'
compose exec --no-TTY mysql bash -c "$as_database_root" <<'SQL'
DROP DATABASE IF EXISTS my_monit;
CREATE DATABASE my_monit CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
SQL
zcat -- "$backup/my_monit.sql.gz" | compose exec --no-TTY mysql bash -c "$as_database_root my_monit"
[[ -z $until ]] || compose exec --no-TTY mysql bash -c "$as_database_root" <"$folder/changes.sql"

say "restoring the broker's definitions"
import_definitions <"$backup/rabbit-definitions.json"
# The stack's own accounts keep the passwords of this machine.
import_definitions <"$secrets_folder/rabbit_accounts.json"

if [[ -e $backup/audit-events.tar.gz && -n $(compose ps --quiet elasticsearch) ]]; then
    say "restoring the audit events, beside the present ones"
    gzip --decompress --stdout -- "$backup/audit-events.tar.gz" | compose exec --no-TTY elasticsearch bash /mymonit/restore-snapshot.sh ||
        say "WARNING: the audit events were not restored; the rest was. See above"
fi

say "starting the service"
# The backup may be of an older release.
migrate_database
compose up --detach --no-build --no-deps --scale "app=$((replicas > 0 ? replicas : 1))" --wait app
say "restored $backup"
