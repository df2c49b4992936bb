# All images of ours. Everything but the packing is `make images`, which CI runs without Docker; the stages below only copy its
# folders. deploy/supply-chain/images.json names the bases; `make release` passes each with its digest:
#   docker buildx build --target program --build-arg NAME=order --build-arg SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" .
ARG NODE_BUILD=docker.io/library/node:24.21.0-bookworm-slim
ARG NODE_RUN=gcr.io/distroless/nodejs24-debian12:nonroot
ARG JAVA_BUILD=docker.io/library/maven:3.9.9-eclipse-temurin-21
ARG JAVA_RUN=docker.io/library/eclipse-temurin:21.0.8_9-jre-noble
ARG ENVOY_RUN=docker.io/envoyproxy/envoy:v1.40.0
ARG STRIMZI_RUN=quay.io/strimzi/kafka:0.51.0-kafka-4.2.0
ARG SPIRE_RUN=ghcr.io/spiffe/spire-server:1.12.4

FROM --platform=${BUILDPLATFORM} ${JAVA_BUILD} AS java-build
FROM ${SPIRE_RUN} AS spire-run
FROM ${NODE_RUN} AS node-run

# Runs on the machine that builds, whatever the images are for: nothing in them is compiled for one processor.
FROM --platform=${BUILDPLATFORM} ${NODE_BUILD} AS packages
WORKDIR /src
COPY . .
ENV npm_config_cache=/tmp/npm npm_config_update_notifier=false
RUN --mount=type=cache,target=/tmp/npm npm ci --no-audit --no-fund
RUN node scripts/generate.mjs && node scripts/build.mjs

# What `make images` does, for one image, so that a change of one service packs that service alone.
FROM packages AS folder
ARG NAME
ARG VERSION=0.0.0
ARG SOURCE_DATE_EPOCH
RUN node scripts/images.mjs --only "${NAME}" --version "${VERSION}"

FROM packages AS kafka-folder
ARG NAME=kafka
ARG VERSION=0.0.0
ARG SOURCE_DATE_EPOCH
COPY --from=java-build /opt/java/openjdk /opt/java/openjdk
COPY --from=java-build /usr/share/maven /usr/share/maven
ENV JAVA_HOME=/opt/java/openjdk PATH=/opt/java/openjdk/bin:/usr/share/maven/bin:${PATH}
RUN --mount=type=cache,target=/tmp/m2 MAVEN_OPTS=-Dmaven.repo.local=/tmp/m2 node scripts/images.mjs --only "${NAME}" --version "${VERSION}"

# A program of ours: Node and our files, no shell, no package manager.
FROM node-run AS program
ARG NAME
COPY --from=folder /src/dist/images/${NAME}/ /
WORKDIR /app
USER 65532:65532
ENV NODE_ENV=production
ENTRYPOINT ["/nodejs/bin/node", "--tls-min-v1.3", "--enable-source-maps", "/app/main.mjs"]

# Makes SPIRE's entries equal to the service table, with SPIRE's own command.
FROM program AS spire-register
COPY --from=spire-run /opt/spire/bin/spire-server /opt/spire/bin/spire-server
CMD ["register", "compose", "/opt/spire/bin/spire-server", "/run/spire/server/api.sock"]

# The broker. start.sh needs a shell, so this base has one.
FROM ${JAVA_RUN} AS kafka
COPY --from=kafka-folder /src/dist/images/kafka/ /
# A new volume takes the owner of the folder that it covers.
RUN install -d -m 0700 -o 47910 -g 47910 /var/lib/kafka/data
USER 47910:47910
ENTRYPOINT ["/opt/kafka/start.sh"]

# Strimzi's broker with our part; Strimzi starts it by kafka_run.sh, and ours goes first.
FROM ${STRIMZI_RUN} AS kafka-strimzi
USER 0:0
RUN mv /opt/kafka/kafka_run.sh /opt/kafka/kafka_run.strimzi.sh
COPY --from=node-run /nodejs/bin/node /opt/bitka/node
COPY --from=kafka-folder /src/dist/images/kafka-strimzi/ /
USER 1001:1001
ENTRYPOINT ["/opt/kafka/kafka_run.sh"]

# Envoy with the configuration of deploy/envoy; k8s mounts its own over it.
FROM ${ENVOY_RUN} AS envoy
COPY --from=folder /src/dist/images/envoy/ /
USER 47900:47900
ENTRYPOINT ["/usr/local/bin/envoy", "--disable-hot-restart", "-l", "warn", "-c", "/etc/envoy/envoy.yaml"]
