# shellcheck shell=bash
# Makes the accounts and gives them their rights. The image sources it on an empty volume; ./run.sh
# and backups run it again, so that older installations get the rights that came later.
#
# The service reads and writes rows of its own database only, and signs in by TLS only. The account
# `migration` also creates and changes tables. The account `backup` reads the database and the
# position in the binary log, and takes the statistics of statements (statements.sql).
service_password=$(cat -- /run/secrets/mysql_service_password)
backup_password=$(cat -- /run/secrets/mysql_backup_password)
rights_of_migration=
# A container of an earlier release does not have it, and its service changes the schema itself.
if [[ -e /run/secrets/mysql_migration_password ]]; then
    migration_password=$(cat -- /run/secrets/mysql_migration_password)
    rights_of_migration="
CREATE USER IF NOT EXISTS migration@'%' IDENTIFIED BY '$migration_password';
ALTER USER migration@'%' REQUIRE SSL;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES ON my_monit.* TO migration@'%';
REVOKE IF EXISTS CREATE, ALTER, DROP, INDEX, REFERENCES ON my_monit.* FROM mymonit@'%';"
fi
MYSQL_PWD=$(cat -- /run/secrets/mysql_root_password) mysql --user=root <<SQL
CREATE USER IF NOT EXISTS mymonit@'%' IDENTIFIED BY '$service_password';
ALTER USER mymonit@'%' REQUIRE SSL;
GRANT SELECT, INSERT, UPDATE, DELETE ON my_monit.* TO mymonit@'%';
CREATE USER IF NOT EXISTS backup@localhost IDENTIFIED BY '$backup_password';
GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON my_monit.* TO backup@localhost;
GRANT RELOAD, PROCESS, REPLICATION CLIENT ON *.* TO backup@localhost;
GRANT SELECT, DROP ON performance_schema.events_statements_summary_by_digest TO backup@localhost;
$rights_of_migration
SQL
