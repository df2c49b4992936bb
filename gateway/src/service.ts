import { setTimeout as pause } from 'node:timers/promises'
import { type Clock, createLogger, type Logger, systemClock } from '@bitka/kernel'
import { refusalCounter, spiffeId, WorkloadIdentity } from '@bitka/mesh'
import { type Health, type RunningService, type ServiceEnv, serveMetrics, startTracing, Waiting } from '@bitka/service'
import { Registry } from 'prom-client'
import { readConfig } from './config.ts'
import { createEdge, type EdgeContext } from './edge/edge.ts'
import { type Limiter, MemoryLimiter } from './edge/limiter.ts'
import { openListeners } from './edge/listeners.ts'

export { boundVariables } from './config.ts'

export type GatewayOverrides = { clock?: Clock; log?: Logger; limiter?: Limiter }

/** A running gateway. */
export type RunningGateway = RunningService & {
  /** The port for HTTP/2, when there is one. */
  grpcPort?: number
  /** Where Prometheus reads, when it does. */
  metricsPort?: number
}

/** Starts the gateway: one public surface in three dialects before the services of BITKA_PEERS. */
export async function startGateway(env: ServiceEnv, overrides: GatewayOverrides = {}): Promise<RunningGateway> {
  const config = readConfig(env)
  const log = overrides.log ?? createLogger('gateway', { level: config.BITKA_LOG_LEVEL })
  const { clock = systemClock, limiter = new MemoryLimiter() } = overrides
  const registry = new Registry()
  registry.setDefaultLabels({ service: 'gateway' })
  const waiting = new Waiting(log)
  const probes: Probes = { health: waiting.health }
  // Before anything else, so that probes are told what the start waits for.
  const { BITKA_METRICS_PORT: metricsPort, BITKA_METRICS_HOST: metricsHost } = config
  if (metricsPort !== undefined)
    probes.endpoint = await serveMetrics(registry, metricsHost, metricsPort, () => probes.health())
  const identity = WorkloadIdentity.connect({
    socketPath: config.SPIFFE_ENDPOINT_SOCKET,
    expect: spiffeId(config.BITKA_TRUST_DOMAIN, 'gateway'),
    log,
    metrics: registry,
  })
  try {
    await waiting.until('its identity', () => identity.ready({ timeoutMs: IDENTITY_WAIT_MS }))
    const tracing = await startTracing({ service: 'gateway', config, identity, registry })
    return await serve({ config, log, clock, registry, identity, tracing, limiter }, probes)
  } catch (error) {
    identity.close()
    await probes.endpoint?.stop()
    throw error
  }
}

/** How long the first certificate is waited for before the log says so. */
const IDENTITY_WAIT_MS = 2_000

type Probes = { health: () => Promise<Health>; endpoint?: Awaited<ReturnType<typeof serveMetrics>> }

async function serve(context: EdgeContext, probes: Probes): Promise<RunningGateway> {
  const { config, log, identity, tracing } = context
  const { BITKA_DRAIN_MS: drainMs } = config
  const { BITKA_LAME_DUCK_MS: lameDuckMs } = config
  const edge = createEdge(context)
  const { app, streams, readiness } = edge
  try {
    const listeners = await openListeners(config, identity, {
      request: app.handle,
      upgrade: streams.upgrade,
      broken: edge.refuseBroken,
      refused: refusalCounter(context.registry),
    })
    probes.health = () => readiness.check()
    log.info({ port: listeners.port, profile: config.BITKA_PROFILE }, 'gateway started')
    const stop = async (): Promise<void> => {
      app.drain()
      await pause(lameDuckMs)
      edge.endStreams()
      await Promise.all([listeners.close(drainMs), streams.close()])
      await probes.endpoint?.stop()
      await edge.stop()
      await tracing.stop()
      identity.close()
      log.info('gateway stopped')
    }
    let stopped: Promise<void> | undefined
    return {
      name: 'gateway',
      port: listeners.port,
      grpcPort: listeners.grpcPort,
      metricsPort: probes.endpoint?.port,
      health: () => readiness.check(),
      stop: () => {
        stopped ??= stop()
        return stopped
      },
    }
  } catch (error) {
    await edge.stop()
    await tracing.stop()
    throw error
  }
}
