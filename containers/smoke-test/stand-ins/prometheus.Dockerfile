# Stands in for the official prometheus image.
ARG DEBIAN_IMAGE
FROM ${DEBIAN_IMAGE}
RUN apt-get update && apt-get install --yes --no-install-recommends prometheus promtool && rm -rf /var/lib/apt/lists/* /etc/prometheus \
    && install -d -o nobody -g nogroup /etc/prometheus /prometheus
WORKDIR /prometheus
ENTRYPOINT ["/usr/bin/prometheus"]
