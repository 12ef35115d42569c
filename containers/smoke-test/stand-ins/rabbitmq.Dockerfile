# Stands in for the official rabbitmq image with management.
ARG DEBIAN_IMAGE
FROM ${DEBIAN_IMAGE}
RUN groupadd --system --gid 999 rabbitmq \
    && useradd --system --uid 999 --gid 999 --home-dir /var/lib/rabbitmq rabbitmq \
    && apt-get update && apt-get install --yes --no-install-recommends rabbitmq-server && rm -rf /var/lib/apt/lists/* \
    && rm -rf /var/lib/rabbitmq /var/log/rabbitmq && install -d -o rabbitmq -g rabbitmq /var/lib/rabbitmq /var/log/rabbitmq
# Debian's wrappers in /usr/sbin change the user; these are RabbitMQ's own, which the official image
# has.
ENV PATH=/usr/lib/rabbitmq/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV LANG=C.UTF-8 HOME=/var/lib/rabbitmq
CMD ["rabbitmq-server"]
