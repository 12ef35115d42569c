# Stands in for the official rust image: Debian's C compiler and the toolchain of this machine,
# which is the context.
ARG DEBIAN_IMAGE
FROM ${DEBIAN_IMAGE}
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
ENV CARGO_HOME=/usr/local/cargo
COPY bin /usr/local/bin
COPY lib /usr/local/lib
RUN ldconfig
