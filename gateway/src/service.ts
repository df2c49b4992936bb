import { setTimeout as pause } from 'node:timers/promises'
import { type Clock, createLogger, type Logger, systemClock } from '@bitka/kernel'
import { WorkloadIdentity } from '@bitka/mesh'
import { type RunningService, type ServiceEnv, serveMetrics } from '@bitka/service'
import { Registry } from 'prom-client'
import { readConfig } from './config.ts'
import { createEdge, type EdgeContext } from './edge/edge.ts'
import { type Limiter, MemoryLimiter } from './edge/limiter.ts'
import { openListeners } from './edge/listeners.ts'

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
  const identity = WorkloadIdentity.connect({ socketPath: config.SPIFFE_ENDPOINT_SOCKET, log, metrics: registry })
  try {
    await identity.ready()
    return await serve({ config, log, clock, registry, identity, limiter })
  } catch (error) {
    identity.close()
    throw error
  }
}

async function serve(context: EdgeContext): Promise<RunningGateway> {
  const { config, log, registry, identity } = context
  const { BITKA_METRICS_PORT: metricsPort, BITKA_METRICS_HOST: metricsHost, BITKA_DRAIN_MS: drainMs } = config
  const { BITKA_LAME_DUCK_MS: lameDuckMs } = config
  const edge = createEdge(context)
  const { app, streams, readiness } = edge
  try {
    const listeners = await openListeners(config, identity, {
      request: app.handle,
      upgrade: streams.upgrade,
      broken: edge.refuseBroken,
    })
    const prometheus =
      metricsPort === undefined
        ? undefined
        : await serveMetrics(registry, metricsHost, metricsPort, () => readiness.check())
    log.info({ port: listeners.port, profile: config.BITKA_PROFILE }, 'gateway started')
    const stop = async (): Promise<void> => {
      app.drain()
      await pause(lameDuckMs)
      edge.endStreams()
      await Promise.all([listeners.close(drainMs), streams.close()])
      await prometheus?.stop()
      await edge.stop()
      identity.close()
      log.info('gateway stopped')
    }
    let stopped: Promise<void> | undefined
    return {
      name: 'gateway',
      port: listeners.port,
      grpcPort: listeners.grpcPort,
      metricsPort: prometheus?.port,
      health: () => readiness.check(),
      stop: () => {
        stopped ??= stop()
        return stopped
      },
    }
  } catch (error) {
    await edge.stop()
    throw error
  }
}
