# Stands in for the official alertmanager image.
ARG DEBIAN_IMAGE
FROM ${DEBIAN_IMAGE}
RUN apt-get update && apt-get install --yes --no-install-recommends prometheus-alertmanager && rm -rf /var/lib/apt/lists/* \
    && ln -s /usr/bin/prometheus-alertmanager /usr/bin/alertmanager && install -d -o nobody -g nogroup /alertmanager
