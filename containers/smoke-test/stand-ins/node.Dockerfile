# Stands in for the official node image, with npm in the version that comes with it.
ARG DEBIAN_IMAGE
FROM ${DEBIAN_IMAGE}
RUN apt-get update && apt-get install --yes --no-install-recommends nodejs npm && rm -rf /var/lib/apt/lists/* \
    && npm install --global npm@11.19.1
