# Stands in for the official nginx image, which differs from Debian's package by the number of the
# user, the folders and scripts that run before the server.
ARG DEBIAN_IMAGE
FROM ${DEBIAN_IMAGE}
RUN groupadd --system --gid 101 nginx && useradd --system --uid 101 --gid 101 nginx \
    && apt-get update && apt-get install --yes --no-install-recommends nginx && rm -rf /var/lib/apt/lists/* /var/log/nginx \
    && mkdir -p /docker-entrypoint.d /var/log/nginx && ln -s /usr/sbin/nginx /usr/bin/nginx
COPY nginx-entrypoint.sh /docker-entrypoint.sh
ENTRYPOINT ["sh", "/docker-entrypoint.sh"]
CMD ["nginx", "-g", "daemon off;"]
STOPSIGNAL SIGQUIT
