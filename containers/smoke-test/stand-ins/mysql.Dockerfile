# Stands in for the official mysql image with the MySQL of Debian's unstable release, the only one
# of Debian's that has MySQL itself, in a later version than the image.
ARG DEBIAN_IMAGE
FROM ${DEBIAN_IMAGE}
RUN groupadd --system --gid 999 mysql && useradd --system --uid 999 --gid 999 mysql \
    && sed 's/ testing / sid /' /etc/apt/sources.list >/etc/apt/sources.list.d/sid.list \
    && apt-get update && apt-get install --yes --no-install-recommends --target-release sid mysql-server-core mysql-client-core \
    && rm -rf /var/lib/apt/lists/* /var/lib/mysql /etc/mysql \
    && install -d -o mysql -g mysql /var/lib/mysql /var/lib/mysql-files /var/run/mysqld /var/log/mysql \
    && mkdir -p /etc/mysql/conf.d /docker-entrypoint-initdb.d
COPY --chmod=644 mysql.cnf /etc/my.cnf
COPY --chmod=755 mysql-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["mysqld"]
