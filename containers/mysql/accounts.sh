# shellcheck shell=bash
# Makes the accounts, once, on an empty volume: the image sources this before the server answers anybody.
#
# The service may do in its own database what it does there, and nothing elsewhere: its migrations make and change tables. It
# cannot give rights away, read files or see other accounts.
MYSQL_PWD=$(cat -- /run/secrets/mysql_root_password) mysql --user=root <<SQL
CREATE USER mymonit@'%' IDENTIFIED BY '$(cat -- /run/secrets/mysql_service_password)';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES ON my_monit.* TO mymonit@'%';
CREATE USER backup@localhost IDENTIFIED BY '$(cat -- /run/secrets/mysql_backup_password)';
GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON my_monit.* TO backup@localhost;
GRANT RELOAD, PROCESS ON *.* TO backup@localhost;
SQL
