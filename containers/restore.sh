#!/usr/bin/env bash
# Puts what containers/backup.sh has saved in the place of what the running stack holds.
#
#     containers/restore.sh FOLDER [--yes]
#
# The service is stopped meanwhile; messages wait in the broker. What was stored after the backup is lost, unless its messages still wait:
# make a backup of what is there first, if it is worth anything.
set -euo pipefail
backup=$(realpath -- "${1:?the folder of a backup}")
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."
# shellcheck source=scripts/machine.sh
source scripts/machine.sh
# shellcheck source=scripts/secrets.sh
source scripts/secrets.sh
# shellcheck source=scripts/stack.sh
source scripts/stack.sh
need_stack
keep_settings

(cd -- "$backup" && sha256sum --check --quiet SHA256SUMS) || fail "$backup is no whole backup; nothing was changed"
if [[ ${2-} != --yes ]]; then
    read -r -p "Everything that this stack holds is replaced by $backup. Type yes: " answer
    [[ $answer == yes ]] || fail "nothing was changed"
fi

replicas=$(compose ps --quiet app | wc -l)
say "stopping the service"
compose stop app
compose up --detach --no-build --no-deps --wait mysql rabbit

say "restoring the database"
# The container's shell is to expand it.
# shellcheck disable=SC2016
as_database_root='MYSQL_PWD=$(cat /run/secrets/mysql_root_password) exec mysql --user=root --default-character-set=utf8mb4'
compose exec --no-TTY mysql bash -c "$as_database_root" <<'SQL'
DROP DATABASE IF EXISTS my_monit;
CREATE DATABASE my_monit CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
SQL
zcat -- "$backup/my_monit.sql.gz" | compose exec --no-TTY mysql bash -c "$as_database_root my_monit"

say "restoring the broker's definitions"
import_definitions <"$backup/rabbit-definitions.json"
# The passwords of the stack's own accounts are those of this machine, not of the backup.
import_definitions <"$secrets_folder/rabbit_accounts.json"

say "starting the service"
compose up --detach --no-build --no-deps --scale "app=$((replicas > 0 ? replicas : 1))" --wait app
say "restored $backup"
