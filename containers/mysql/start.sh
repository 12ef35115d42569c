#!/bin/bash
# Starts MySQL by the image's own script. Beside it: writes slow statements without their values
# (statements.sql) for Filebeat, rotates the log files, and shows errors with `docker compose logs`.
set -euo pipefail

readonly folder=/var/log/mysql
readonly greatest=$((50 * 1024 * 1024))

as_backup() {
    MYSQL_PWD=$(cat /run/secrets/mysql_backup_password) mysql --user=backup --batch --skip-column-names --raw "$@"
}

is_large() {
    [[ -f $1 ]] && (($(stat -c %s "$1") > greatest))
}

write_logs() {
    while sleep 60; do
        # Fails while the server starts; the next round catches up.
        as_backup </statements.sql >>"$folder/statements.json" 2>/dev/null || true
        if is_large "$folder/statements.json"; then
            mv -f -- "$folder/statements.json" "$folder/statements.json.1"
        fi
        if is_large "$folder/error.log"; then
            # The server writes on into the renamed file until it reopens its log: no line is lost.
            mv -f -- "$folder/error.log" "$folder/error.log.1"
            as_backup --execute='FLUSH ERROR LOGS' || true
        fi
    done
}

# Of versions that logged statements with their values.
rm -f -- "$folder"/slow.log*
touch "$folder/error.log"
tail --follow=name --retry --lines=0 "$folder/error.log" &
write_logs &
exec docker-entrypoint.sh mysqld
