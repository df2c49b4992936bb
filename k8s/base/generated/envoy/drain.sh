#!/bin/bash
# Lets Envoy's work end before Envoy is stopped: readiness goes away, clients are told to leave their connections, and requests
# under way end. Answers when they have, or when it has waited long enough. k8s and compose run it as preStop and pre_stop, the
# native stack before its SIGTERM. Needs nothing but bash.
#   BITKA_EDGE_ADMIN_PORT    Envoy's administration, on loopback
#   BITKA_EDGE_LAME_DUCK_S   how long load balancers take to notice that it is not ready
#   BITKA_EDGE_DRAIN_S       how long requests may take to end
set -euo pipefail
port=${BITKA_EDGE_ADMIN_PORT:-8901}
lame_duck=${BITKA_EDGE_LAME_DUCK_S:-5}
limit=${BITKA_EDGE_DRAIN_S:-15}

ask() {
  local connection line
  exec {connection}<>"/dev/tcp/127.0.0.1/$port"
  printf '%s %s HTTP/1.1\r\nHost: envoy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$1" "$2" >&"$connection"
  while IFS= read -r -t 5 line <&"$connection"; do printf '%s\n' "${line%$'\r'}"; done
  exec {connection}>&-
}

# Requests of people, operators and callers; not the one that asks.
under_way() {
  local sum=0 name count
  while IFS=': ' read -r name count; do
    [[ $name =~ ^http\.(public|operators|mesh)\.downstream_rq_active$ ]] && sum=$((sum + count))
  done < <(ask GET '/stats?filter=downstream_rq_active')
  echo "$sum"
}

# From here on every answer tells its client to leave.
ask POST /healthcheck/fail >/dev/null
sleep "$lame_duck"
while ((SECONDS < lame_duck + limit)); do
  # Told with their next answer; who has none under way has been told, or is idle.
  [[ $(under_way) == 0 ]] && exit 0
  sleep 0.1
done
echo "requests were still under way after $limit s" >&2
