import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

/** From a cached answer to the longest deadline. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const VERBS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

export type GatewayMetrics = {
  request(route: string, verb: string, status: number, tookMs: number): void
  limited(budget: string): void
  webSockets(open: number): void
  dropped(): void
}

/** The gateway's metrics. Labels come from the contract, never from a request, so their number is bounded. */
export function gatewayMetrics(registry: Registry): GatewayMetrics {
  const registers = [registry]
  const requests = new Counter({
    name: 'http_requests_total',
    help: 'Requests answered, by route, verb and status.',
    labelNames: ['route', 'verb', 'status'],
    registers,
  })
  const seconds = new Histogram({
    name: 'http_request_seconds',
    help: 'How long requests took.',
    labelNames: ['route'],
    buckets: SECONDS,
    registers,
  })
  const limited = new Counter({
    name: 'rate_limited_total',
    help: 'Requests refused, by the budget that was used up.',
    labelNames: ['budget'],
    registers,
  })
  const open = new Gauge({ name: 'websockets_open', help: 'Open WebSockets.', registers })
  const dropped = new Counter({
    name: 'websockets_dropped_total',
    help: 'WebSockets closed since their reader was too slow.',
    registers,
  })
  return {
    request: (route, verb, status, tookMs) => {
      requests.inc({ route, verb: VERBS.includes(verb) ? verb : 'other', status })
      seconds.observe({ route }, tookMs / 1000)
    },
    limited: (budget) => limited.inc({ budget }),
    webSockets: (count) => open.set(count),
    dropped: () => dropped.inc(),
  }
}
