#!/bin/sh
# What Strimzi runs as its broker: svid-files beside it, which keeps the certificate in BITKA_SVID_DIR fresh, and the broker
# once there is one. Strimzi's own kafka_run.sh was renamed.
set -eu

while :; do
  /opt/bitka/node --tls-min-v1.3 --enable-source-maps /opt/bitka/app/main.mjs || true
  # It ends only when something is wrong; the broker works on with the certificate that it has.
  sleep 1
done &

until [ -s "$BITKA_SVID_DIR/keystore.pem" ] && [ -s "$BITKA_SVID_DIR/bundle.pem" ]; do
  echo "waiting for the certificate of kafka in $BITKA_SVID_DIR" >&2
  sleep 1
done
exec /opt/kafka/kafka_run.strimzi.sh "$@"
