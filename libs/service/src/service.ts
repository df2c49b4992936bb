import { type Consumer, type ConsumerOptions, type Relay, startConsumer, startRelay } from '@bitka/events'
import { type Clock, createLogger, type Logger, loadConfig, systemClock } from '@bitka/kernel'
import { createClient, createServer, HealthState, spiffeId, WorkloadIdentity } from '@bitka/mesh'
import { appRole, migrate, openDb, schemaName } from '@bitka/store'
import { Registry } from 'prom-client'
import type { z } from 'zod'
import { createAudit } from './audit.ts'
import type { BaseConfig } from './config.ts'
import { openEventLog } from './event-log.ts'
import { repositoryFolder } from './folders.ts'
import { serveMetrics } from './metrics.ts'
import { createOperations } from './operations.ts'
import { claimProfile } from './profile.ts'
import { startTokens } from './tokens.ts'
import { startTracing } from './tracing.ts'
import type { RunningService, ServiceContext, ServiceSpec, StartService } from './types.ts'
import { Waiting } from './waiting.ts'

/** How long calls in flight may take to end when the service stops. */
const DRAIN_GRACE_MS = 10_000
/** How long the first certificate is waited for before the log says so. */
const IDENTITY_WAIT_MS = 2_000

/** One way to be a service: configuration, database, log, identity, background work, server; stopped in reverse. */
export const defineService =
  <S extends z.ZodObject>(spec: ServiceSpec<S>): StartService =>
  async (env, overrides = {}) => {
    const config = loadConfig(spec.schema, env) as z.infer<S> & BaseConfig
    const log = overrides.log ?? createLogger(spec.name, { level: config.BITKA_LOG_LEVEL })
    const stack = new StopStack(log)
    try {
      return await start(spec, config, overrides.clock ?? systemClock, log, stack)
    } catch (error) {
      await stack.stop()
      throw error
    }
  }

async function start<S extends z.ZodObject>(
  spec: ServiceSpec<S>,
  config: z.infer<S> & BaseConfig,
  clock: Clock,
  log: Logger,
  stack: StopStack,
): Promise<RunningService> {
  const { name } = spec
  const controller = new AbortController()
  const metrics = new Registry()
  metrics.setDefaultLabels({ service: name })
  const schema = schemaName(name)
  const waiting = new Waiting(log)
  let probed = waiting.health
  if (config.BITKA_METRICS_PORT !== undefined) {
    const { BITKA_METRICS_HOST: host, BITKA_METRICS_PORT: port } = config
    const endpoint = await serveMetrics(metrics, host, port, () => probed())
    stack.add('metrics', () => endpoint.stop())
  }
  const { BITKA_DB_OWNER_URL: ownerUrl } = config
  if (ownerUrl !== undefined) {
    const folder = repositoryFolder(`services/${name}/migrations`)
    const roleOfApp = decodeURIComponent(new URL(config.BITKA_DB_URL).username || appRole(name))
    await waiting.until('the database', () => migrate({ ownerUrl, schema, folder, appRole: roleOfApp, log }))
  }
  const db = openDb(
    { url: config.BITKA_DB_URL, schema, poolSize: config.BITKA_DB_POOL_SIZE },
    { log, registry: metrics },
  )
  stack.add('database', () => db.close())
  await waiting.until('the database', () => claimProfile(db, config.BITKA_PROFILE))

  const identity = WorkloadIdentity.connect({
    socketPath: config.SPIFFE_ENDPOINT_SOCKET,
    expect: spiffeId(config.BITKA_TRUST_DOMAIN, name),
    log,
    metrics,
  })
  stack.add('identity', async () => identity.close())
  await waiting.until('its identity', () => identity.ready({ timeoutMs: IDENTITY_WAIT_MS }))
  const tracing = await startTracing({ service: name, config, identity, registry: metrics })
  stack.add('tracing', () => tracing.stop())
  const eventLog = await openEventLog({ name, config, identity, log })
  stack.add('event log', () => eventLog.close())
  await waiting.until('the event log', async () => {
    await eventLog.latestOffsets('identity.session.revoked')
  })

  const clients = new Map<string, { close(): void }>()
  stack.add('clients', async () => {
    for (const client of clients.values()) client.close()
  })
  let relay: Relay | undefined
  const context: ServiceContext<z.infer<S> & BaseConfig> = {
    name,
    config,
    profile: config.BITKA_PROFILE,
    db,
    eventLog,
    clock,
    log,
    metrics,
    tracing,
    audit: createAudit(name, config.BITKA_PROFILE, clock),
    identity,
    signal: controller.signal,
    client: (desc, peer, options = {}) => {
      const target = config.BITKA_PEERS[peer]
      if (target === undefined) throw new Error(`BITKA_PEERS does not say where ${peer} is`)
      const client = createClient(desc, {
        identity,
        target,
        expect: peer,
        log,
        metrics,
        tracing,
        idempotent: options.idempotent ?? [],
      })
      clients.set(`${desc.typeName} ${clients.size}`, client)
      return client
    },
    oldestUnsentAgeMs: (topic) => relay?.oldestUnsentAgeMs(topic) ?? 0,
  }
  const parts = await spec.build(context)
  stack.add('service', async () => parts.onStop?.())
  stack.add('loops', async () => {
    await Promise.all((parts.loops ?? []).map((loop) => loop.stop()))
  })

  const tokens = await startTokens({ context, jwks: parts.jwks })
  stack.add('tokens', () => tokens.stop())
  relay = await startRelay({
    db,
    log: eventLog,
    logger: log,
    service: name,
    metrics,
    tracing,
    beforeFirstRun: parts.beforeFirstRelay,
  })
  stack.add('relay', async () => relay?.stop())
  const consumers: { group: string; consumer: Consumer; handle: ConsumerOptions['handle'] }[] = []
  for (const consumer of parts.consumers ?? []) {
    const started = await startConsumer({ ...consumer, log: eventLog, db, logger: log, metrics, tracing })
    consumers.push({ group: consumer.group, consumer: started, handle: consumer.handle })
    stack.add(`consumer ${consumer.group}`, () => started.stop())
  }

  const operations = createOperations({ context, consumers, extra: parts.dependencies })
  const health = new HealthState(false)
  const server = createServer({
    identity,
    log,
    host: config.BITKA_RPC_HOST,
    port: config.BITKA_RPC_PORT,
    services: [...parts.rpcs, operations.implementation],
    verifyToken: tokens.verify,
    health,
    metrics,
    tracing,
  })
  await server.start()
  const readiness = operations.watch(health)
  stack.add('server', async () => {
    await readiness.stop()
    // Streams end when they see the signal; without it they would keep the drain waiting.
    controller.abort()
    await server.drain(DRAIN_GRACE_MS)
  })
  probed = operations.health
  log.info({ port: server.port, profile: config.BITKA_PROFILE }, 'service started')
  return {
    name,
    port: server.port,
    health: operations.health,
    stop: async () => {
      await stack.stop()
      log.info('service stopped')
    },
  }
}

/** What was started, ended in reverse, each step even when another fails. */
class StopStack {
  private readonly steps: { name: string; stop: () => Promise<void> }[] = []
  private stopped: Promise<void> | undefined

  constructor(private readonly log: Logger) {}

  add(name: string, stop: () => Promise<void>): void {
    this.steps.push({ name, stop })
  }

  stop(): Promise<void> {
    this.stopped ??= this.run()
    return this.stopped
  }

  private async run(): Promise<void> {
    for (const { name, stop } of this.steps.reverse()) {
      try {
        await stop()
      } catch (error) {
        this.log.error({ err: error, step: name }, 'a step of stopping failed')
      }
    }
  }
}
