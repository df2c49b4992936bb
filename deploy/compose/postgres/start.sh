#!/bin/sh
# Runs PostgreSQL with the certificate that svid-files keeps fresh in /run/svid, and has it read each new one. An open
# connection keeps the certificate that it began with.
set -eu
svid=${BITKA_SVID_DIR:-/run/svid}

until [ -s "$svid/svid.pem" ] && [ -s "$svid/key.pem" ]; do
  echo 'waiting for the certificate of postgres' >&2
  sleep 1
done
# svid-files moves one link, ..data, to each new certificate. Looked at before PostgreSQL starts: what comes later is new to it.
seen=$(readlink "$svid/..data" || true)
(
  while sleep 1; do
    now=$(readlink "$svid/..data") || continue
    [ "$now" != "$seen" ] || continue
    # Absent while the first start sets the database up, which reads the certificate when it is done.
    if [ -s "$PGDATA/postmaster.pid" ] && kill -HUP "$(head -n 1 "$PGDATA/postmaster.pid")"; then seen=$now; fi
  done
) &

# With backups on, finished WAL waits beside the data until it has been sealed and taken away (deploy/backup/wal.ts).
spool=${BITKA_WAL_SPOOL:-/var/lib/postgresql/wal-spool}
if [ "${BITKA_WAL_ARCHIVE:-off}" = on ]; then
  mkdir -p "$spool"
  to="$spool/%f"
  copy="cp \"%p\" \"$to.part\" && sync \"$to.part\" && mv \"$to.part\" \"$to\""
  set -- -c archive_mode=on -c archive_timeout=60s \
    -c archive_command="if test -f \"$to\"; then cmp -s \"%p\" \"$to\"; else $copy; fi" "$@"
fi

exec docker-entrypoint.sh postgres \
  -c ssl=on -c ssl_min_protocol_version=TLSv1.3 -c ssl_cert_file="$svid/svid.pem" -c ssl_key_file="$svid/key.pem" \
  -c hba_file=/etc/bitka/pg_hba.conf -c password_encryption=scram-sha-256 \
  -c max_connections=200 -c shared_buffers=512MB -c effective_cache_size=1GB -c wal_compression=on -c jit=off \
  -c max_parallel_workers_per_gather=0 -c timezone=UTC -c log_timezone=UTC -c cluster_name=bitka \
  -c log_min_messages=log -c log_error_verbosity=terse -c log_checkpoints=off \
  "$@"
