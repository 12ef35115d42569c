# Stands in for the official mysql image with MariaDB, which Debian has.
ARG DEBIAN_IMAGE
FROM ${DEBIAN_IMAGE}
RUN groupadd --system --gid 999 mysql && useradd --system --uid 999 --gid 999 mysql \
    && apt-get update && apt-get install --yes --no-install-recommends mariadb-server-core mariadb-client \
    && rm -rf /var/lib/apt/lists/* /var/lib/mysql /etc/mysql \
    && install -d -o mysql -g mysql /var/lib/mysql /run/mysqld /var/log/mysql \
    && mkdir -p /etc/mysql/conf.d /docker-entrypoint-initdb.d \
    && printf '[client-server]\nsocket=/var/run/mysqld/mysqld.sock\n[mysqld]\ndatadir=/var/lib/mysql\n!includedir /etc/mysql/conf.d/\n' >/etc/mysql/my.cnf \
    && for name in mariadb:mysql mariadb-admin:mysqladmin mariadb-dump:mysqldump mariadbd:mysqld; do \
        ln --symbolic --force "$(command -v "${name%:*}")" "/usr/local/bin/${name#*:}"; \
    done
COPY --chmod=755 mysql-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["mysqld"]
