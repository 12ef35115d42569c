#!/bin/bash
# The part of the official image's entrypoint that the stack uses. On an empty volume it makes the
# data folder, the account root and the database, and runs the scripts. The server answers over TCP
# only afterwards.
set -euo pipefail

make_data_folder() {
    local root_password script server
    root_password=$(cat -- "$MYSQL_ROOT_PASSWORD_FILE")
    mysqld --initialize-insecure
    mysqld --skip-networking &
    server=$!
    until mysqladmin --user=root ping >/dev/null 2>&1; do
        kill -0 "$server"
        sleep 0.1
    done
    mysql --user=root <<SQL
ALTER USER root@localhost IDENTIFIED BY '$root_password';
CREATE DATABASE IF NOT EXISTS \`$MYSQL_DATABASE\`;
SQL
    for script in /docker-entrypoint-initdb.d/*.sh; do
        # shellcheck source=/dev/null
        . "$script"
    done
    MYSQL_PWD=$root_password mysqladmin --user=root shutdown
    wait "$server"
}

[[ -d /var/lib/mysql/mysql ]] || make_data_folder
exec "$@"
