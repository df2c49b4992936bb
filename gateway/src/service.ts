import { type Clock, createLogger, type Logger, systemClock } from '@bitka/kernel'
import { WorkloadIdentity } from '@bitka/mesh'
import { DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { type RunningService, type ServiceEnv, serveMetrics } from '@bitka/service'
import { Registry } from 'prom-client'
import { type GatewayConfig, hasTls, readConfig } from './config.ts'
import { App } from './edge/app.ts'
import { Backends } from './edge/backends.ts'
import { ConnectDialect } from './edge/connect.ts'
import { Gatekeeper } from './edge/gatekeeper.ts'
import { ReadinessCheck } from './edge/health.ts'
import { type Limiter, MemoryLimiter } from './edge/limiter.ts'
import { Limits } from './edge/limits.ts'
import { openListeners } from './edge/listeners.ts'
import { gatewayMetrics } from './edge/metrics.ts'
import { SessionWatch } from './edge/session-watch.ts'
import { StreamSlots } from './edge/slots.ts'
import { startTokens } from './edge/tokens.ts'
import { publicMethods } from './methods.ts'
import { openApiDocument } from './openapi/document.ts'
import { publicServices } from './public-services.ts'
import { Router } from './rest/router.ts'
import { Feeds } from './stream/feeds.ts'
import { StreamServer } from './stream/server.ts'

export type GatewayOverrides = { clock?: Clock; log?: Logger; limiter?: Limiter }

/** A running gateway; `grpcPort` is the one for HTTP/2 when there is one, `metricsPort` Prometheus's. */
export type RunningGateway = RunningService & { grpcPort?: number; metricsPort?: number }

/** Starts the gateway: one public surface in three dialects before the services of BITKA_PEERS. */
export async function startGateway(env: ServiceEnv, overrides: GatewayOverrides = {}): Promise<RunningGateway> {
  const config = readConfig(env)
  const log = overrides.log ?? createLogger('gateway', { level: config.BITKA_LOG_LEVEL })
  const clock = overrides.clock ?? systemClock
  const registry = new Registry()
  registry.setDefaultLabels({ service: 'gateway' })
  const identity = WorkloadIdentity.connect({ socketPath: config.SPIFFE_ENDPOINT_SOCKET, log, metrics: registry })
  try {
    await identity.ready()
    return await serve({ config, log, clock, registry, identity, limiter: overrides.limiter ?? new MemoryLimiter() })
  } catch (error) {
    identity.close()
    throw error
  }
}

type Parts = {
  config: GatewayConfig
  log: Logger
  clock: Clock
  registry: Registry
  identity: WorkloadIdentity
  limiter: Limiter
}

async function serve({ config, log, clock, registry, identity, limiter }: Parts): Promise<RunningGateway> {
  const metrics = gatewayMetrics(registry)
  const requestTimeoutMs = config.BITKA_REQUEST_TIMEOUT_MS
  const backends = new Backends({ identity, peers: config.BITKA_PEERS, log, metrics: registry, requestTimeoutMs })
  const tokens = startTokens(backends.client(DirectoryService, 'auth'), clock, log)
  const sessions = new SessionWatch(tokens.isRevoked, clock)
  const slots = new StreamSlots(config.BITKA_STREAMS_PER_ADDRESS)
  const gatekeeper = new Gatekeeper({
    verify: tokens.verify,
    limits: new Limits(limiter, config, metrics.limited),
    trustDomain: () => identity.current().trustDomain,
    publicMarketData: config.BITKA_PUBLIC_MARKETDATA,
  })
  const headers = {
    tls: hasTls(config),
    demo: config.BITKA_PROFILE === 'demo',
    corsOrigins: config.BITKA_CORS_ORIGINS,
  }
  const methods = publicMethods(publicServices)
  const shutdown = new AbortController()
  const feeds = new Feeds(() => backends.client(MarketDataService, 'market-data'), log)
  const readiness = new ReadinessCheck(backends, clock)
  const streams = new StreamServer({
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
  const app = new App({
    rest: {
      router: new Router(methods),
      gatekeeper,
      backends,
      headers,
      body: { bytes: config.BITKA_BODY_BYTES, timeoutMs: config.BITKA_BODY_TIMEOUT_MS },
      requestTimeoutMs,
      clock,
    },
    connect: new ConnectDialect({
      methods,
      gatekeeper,
      backends,
      sessions,
      slots,
      bodyBytes: config.BITKA_BODY_BYTES,
      requestTimeoutMs,
      shutdown: shutdown.signal,
    }),
    readiness,
    openApi: JSON.stringify(openApiDocument({ needsUser: (method) => gatekeeper.needsUser(method) })),
    log,
    metrics,
  })
  const endAll = async (): Promise<void> => {
    sessions.stop()
    feeds.stop()
    await tokens.stop()
    backends.close()
    identity.close()
  }
  try {
    const listeners = await openListeners(config, identity, { request: app.handle, upgrade: streams.upgrade })
    const { BITKA_METRICS_PORT: metricsPort, BITKA_METRICS_HOST: metricsHost } = config
    const prometheus = metricsPort === undefined ? undefined : await serveMetrics(registry, metricsHost, metricsPort)
    log.info({ port: listeners.port, profile: config.BITKA_PROFILE }, 'gateway started')
    return {
      name: 'gateway',
      port: listeners.port,
      grpcPort: listeners.grpcPort,
      metricsPort: prometheus?.port,
      health: () => readiness.check(),
      stop: async () => {
        app.drain()
        shutdown.abort()
        await Promise.all([listeners.close(config.BITKA_DRAIN_MS), streams.close()])
        await prometheus?.stop()
        await endAll()
        log.info('gateway stopped')
      },
    }
  } catch (error) {
    await endAll()
    throw error
  }
}
