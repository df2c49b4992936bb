#!/bin/sh
# Runs the broker in a container: /opt/kafka has jars/ and plugin/, /run/svid the certificate files. The first start formats
# the data directory.
set -eu
config=${KAFKA_CONFIG:-/etc/kafka/server.properties}
data=$(sed -n 's/^log\.dirs=//p' "$config")
class_path='/opt/kafka/jars/*:/opt/kafka/plugin/*'

until [ -s /run/svid/keystore.pem ] && [ -s /run/svid/bundle.pem ]; do
  echo 'waiting for the certificate of kafka in /run/svid' >&2
  sleep 1
done
if [ ! -e "$data/meta.properties" ]; then
  # 16 random bytes as Kafka writes them; it takes a leading '-' for an option.
  id=-
  while [ "${id#-}" != "$id" ]; do
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')
  done
  java -Xmx128m -cp "$class_path" kafka.tools.StorageTool format -t "$id" -c "$config"
fi
# Refused handshakes and operations are logged; the rest only from warnings on.
exec java -Xms"${KAFKA_HEAP:-384m}" -Xmx"${KAFKA_HEAP:-384m}" -XX:+ExitOnOutOfMemoryError -XX:-UsePerfData \
  -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
  -Dorg.slf4j.simpleLogger.log.kafka.authorizer.logger=info \
  -Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.network.Selector=info \
  -Dorg.slf4j.simpleLogger.log.bitka.kafka=info \
  -cp "$class_path" kafka.Kafka "$config"
