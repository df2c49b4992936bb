import type { Clock, Logger } from '@bitka/kernel'
import type { WorkloadIdentity } from '@bitka/mesh'
import { DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import type { Tracing } from '@bitka/telemetry'
import type { Registry } from 'prom-client'
import { type GatewayConfig, hasTls } from '../config.ts'
import { publicMethods } from '../methods.ts'
import { openApiDocument } from '../openapi/document.ts'
import { publicServices } from '../public-services.ts'
import type { RestOptions } from '../rest/handler.ts'
import { Router } from '../rest/router.ts'
import { Feeds } from '../stream/feeds.ts'
import { StreamServer } from '../stream/server.ts'
import { App } from './app.ts'
import { Backends } from './backends.ts'
import { refuseBroken } from './broken.ts'
import { ConnectDialect } from './connect.ts'
import { Gatekeeper } from './gatekeeper.ts'
import type { HeaderOptions } from './headers.ts'
import { ReadinessCheck } from './health.ts'
import type { Limiter } from './limiter.ts'
import { Limits } from './limits.ts'
import type { Handlers } from './listeners.ts'
import { type GatewayMetrics, gatewayMetrics } from './metrics.ts'
import { SessionWatch } from './session-watch.ts'
import { StreamSlots } from './slots.ts'
import { startTokens, type Tokens } from './tokens.ts'

export type EdgeContext = {
  config: GatewayConfig
  log: Logger
  clock: Clock
  registry: Registry
  identity: WorkloadIdentity
  tracing: Tracing
  limiter: Limiter
}

/** What all dialects share. */
type Shared = EdgeContext & {
  backends: Backends
  tokens: Tokens
  sessions: SessionWatch
  slots: StreamSlots
  gatekeeper: Gatekeeper
  headers: HeaderOptions
  metrics: GatewayMetrics
}

/** The three dialects, before any port is open. */
export type Edge = {
  app: App
  streams: StreamServer
  readiness: ReadinessCheck
  /** Answers what is no HTTP request. */
  refuseBroken: Handlers['broken']
  /** Ends open RPC streams, when the gateway begins to stop. */
  endStreams(): void
  /** Ends everything else, once all ports are closed. */
  stop(): Promise<void>
}

/** Builds what answers requests, from the contracts and the configuration. */
export function createEdge(context: EdgeContext): Edge {
  const shared = share(context)
  const { backends, tokens, sessions, log, clock, config, gatekeeper, headers, metrics } = shared
  const feeds = new Feeds(() => backends.client(MarketDataService, 'market-data'), log)
  const readiness = new ReadinessCheck(backends, clock, context.identity)
  const shutdown = new AbortController()
  const rest: RestOptions = {
    router: new Router(publicMethods(publicServices)),
    gatekeeper,
    backends,
    headers,
    body: { bytes: config.BITKA_BODY_BYTES, timeoutMs: config.BITKA_BODY_TIMEOUT_MS },
    requestTimeoutMs: config.BITKA_REQUEST_TIMEOUT_MS,
    clock,
  }
  const openApi = JSON.stringify(openApiDocument({ needsUser: (method) => gatekeeper.needsUser(method) }))
  const connect = connectDialect(shared, shutdown.signal)
  return {
    app: new App({ rest, connect, readiness, openApi, log, metrics, tracing: shared.tracing }),
    streams: streamServer(shared, feeds),
    readiness,
    refuseBroken: (error, socket) => refuseBroken(error, socket, headers),
    endStreams: () => shutdown.abort(),
    stop: async () => {
      sessions.stop()
      feeds.stop()
      await tokens.stop()
      backends.close()
    },
  }
}

function share(context: EdgeContext): Shared {
  const { config, log, clock, registry, identity, tracing, limiter } = context
  const metrics = gatewayMetrics(registry)
  const requestTimeoutMs = config.BITKA_REQUEST_TIMEOUT_MS
  const backends = new Backends({
    identity,
    peers: config.BITKA_PEERS,
    log,
    metrics: registry,
    tracing,
    requestTimeoutMs,
  })
  const tokens = startTokens(backends.client(DirectoryService, 'auth'), clock, log)
  return {
    ...context,
    backends,
    tokens,
    metrics,
    sessions: new SessionWatch(tokens.isRevoked, clock),
    slots: new StreamSlots(config.BITKA_STREAMS_PER_ADDRESS),
    gatekeeper: new Gatekeeper({
      verify: tokens.verify,
      limits: new Limits(limiter, config, metrics.limited),
      trustDomain: () => identity.current().trustDomain,
      publicMarketData: config.BITKA_PUBLIC_MARKETDATA,
    }),
    headers: {
      tls: hasTls(config),
      demo: config.BITKA_PROFILE === 'demo',
      corsOrigins: config.BITKA_CORS_ORIGINS,
    },
  }
}

function connectDialect(shared: Shared, shutdown: AbortSignal): ConnectDialect {
  const { config, gatekeeper, backends, sessions, slots } = shared
  return new ConnectDialect({
    methods: publicMethods(publicServices),
    gatekeeper,
    backends,
    sessions,
    slots,
    bodyBytes: config.BITKA_BODY_BYTES,
    requestTimeoutMs: config.BITKA_REQUEST_TIMEOUT_MS,
    shutdown,
  })
}

function streamServer(shared: Shared, feeds: Feeds): StreamServer {
  const { config, gatekeeper, backends, sessions, slots, headers, metrics, tokens, log } = shared
  return new StreamServer({
    gatekeeper,
    slots,
    headers,
    connection: {
      feeds,
      sources: {
        orders: () => backends.client(OrderService, 'order'),
        ledger: () => backends.client(LedgerService, 'ledger'),
      },
      verify: tokens.verify,
      sessions,
      charge: (address) => gatekeeper.charge(address),
      marketDataNeedsUser: !config.BITKA_PUBLIC_MARKETDATA,
      subscriptionsMax: config.BITKA_WS_SUBSCRIPTIONS,
      messagesPerSecond: config.BITKA_WS_MESSAGES_PER_SECOND,
      outbox: {
        slowBytes: config.BITKA_WS_SLOW_BYTES,
        dropBytes: config.BITKA_WS_DROP_BYTES,
        slowMs: config.BITKA_WS_SLOW_MS,
      },
    },
    pingMs: config.BITKA_WS_PING_MS,
    log,
    onCount: metrics.webSockets,
    onDropped: metrics.dropped,
  })
}
