import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type DevCa, startDevCa } from '@bitka/dev-ca'
import { type EmbeddedPostgres, type StartOptions, startPostgres } from '@bitka/embedded-pg'
import { pruneTopics, syncTopics } from '@bitka/events'
import { type Logger, Loop } from '@bitka/kernel'
import { type MailSink, startMailSink } from '@bitka/mail-sink'
import { type ServiceName, serviceNames } from '@bitka/mesh'
import { repositoryFolder } from '@bitka/service'
import { appRole, bootstrapDatabase, createDatabase, databaseUrl, migrate, openDb, ownerRole } from '@bitka/store'
import type { EmbeddedConfig } from './config.ts'
import type { Secrets } from './secrets.ts'

/** The services with a database, in the order in which they start. */
export const services = ['auth', 'user', 'ledger', 'matching', 'order', 'market-data', 'notification', 'audit'] as const
export type BackendName = (typeof services)[number]

/** Schemas of the database: the services', and the event log's, which is a schema of its own. */
const schemas = [...services, 'event_log'] as const
export const databaseRoles: readonly string[] = schemas.flatMap((name) => [ownerRole(name), appRole(name)])

const DATABASE = 'bitka'
const WATCH_INTERVAL_MS = 200
const PRUNE_INTERVAL_MS = 3_600_000
const KEEP_MS = 7 * 86_400_000

/** What stands behind the ports in embedded mode: PostgreSQL, the log in it, the development CA and the mail sink. */
export type Platform = Surroundings & {
  ca: DevCa
  mail: MailSink
  stop(): Promise<void>
}

/** What a service is told of that. */
export type Surroundings = {
  ca: Pick<DevCa, 'socketPath' | 'trustDomain'>
  mail: Pick<MailSink, 'url'>
  appUrl(service: BackendName): string
  ownerUrl(service: BackendName): string
}

export async function startPlatform(config: EmbeddedConfig, secrets: Secrets, log: Logger): Promise<Platform> {
  const { dataDir } = config
  const stops: (() => Promise<void>)[] = []
  const stop = async (): Promise<void> => {
    for (const step of stops.reverse()) await step()
  }
  try {
    const postgres = await keepPostgres({ dataDir: join(dataDir, 'postgres', 'data'), log })
    stops.push(() => postgres.stop())
    const urlOf = await prepareDatabase(postgres.adminUrl, secrets)
    stops.push(await prepareEventLog(urlOf(ownerRole('event_log')), log))
    const ca = await startDevCa({
      dir: join(dataDir, 'identity'),
      services: serviceNames.map((name: ServiceName) => ({ name })),
      ttlSeconds: config.BITKA_SVID_TTL_S,
      log,
    })
    stops.push(() => ca.stop())
    const outbox = join(dataDir, 'outbox')
    mkdirSync(outbox, { recursive: true, mode: 0o700 })
    const mail = await startMailSink({ folder: outbox, apiKey: secrets.mailApiKey, log })
    stops.push(() => mail.stop())
    return {
      ca,
      mail,
      appUrl: (service) => urlOf(appRole(service)),
      ownerUrl: (service) => urlOf(ownerRole(service)),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Makes the database, its schemas and its roles; answers the URL of each role. */
export async function prepareDatabase(serverUrl: string, secrets: Secrets): Promise<(role: string) => string> {
  const adminUrl = await createDatabase(serverUrl, DATABASE)
  const password = (role: string): string => {
    const found = secrets.database[role]
    if (found === undefined) throw new Error(`the role ${role} has no password`)
    return found
  }
  await bootstrapDatabase({
    adminUrl,
    services: schemas.map((service) => ({
      service,
      ownerPassword: password(ownerRole(service)),
      appPassword: password(appRole(service)),
    })),
  })
  return (role) => databaseUrl(adminUrl, { user: role, password: password(role) })
}

export type KeptPostgres = {
  adminUrl: string
  /** The server that runs now. */
  server(): EmbeddedPostgres
  stop(): Promise<void>
}

/** Runs PostgreSQL, and starts it again when it dies: it recovers by itself, and services reconnect by themselves. */
export async function keepPostgres(options: StartOptions): Promise<KeptPostgres> {
  const { log } = options
  let server: EmbeddedPostgres = await startPostgres(options)
  const { adminUrl, port } = server
  const watch = new Loop({ name: 'postgres.watch', intervalMs: WATCH_INTERVAL_MS, log }, async () => {
    if (isAlive(server.pid)) return
    log.error({ pid: server.pid }, 'PostgreSQL died and is started again')
    server = await startPostgres({ ...options, port })
  })
  return {
    adminUrl,
    server: () => server,
    stop: async () => {
      await watch.stop()
      await server.stop()
    },
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Brings the log's schema and topics up to date, and prunes what need not be kept for good. */
async function prepareEventLog(ownerUrl: string, log: Logger): Promise<() => Promise<void>> {
  const folder = repositoryFolder('libs/events/migrations')
  await migrate({ ownerUrl, schema: 'event_log', folder, appRole: appRole('event_log'), log })
  const db = openDb({ url: ownerUrl, schema: 'event_log', poolSize: 1 }, { log })
  const { missingRoles } = await syncTopics(db)
  if (missingRoles.length > 0) log.warn({ missingRoles }, 'topics name roles that do not exist')
  const pruning = new Loop({ name: 'event-log.prune', intervalMs: PRUNE_INTERVAL_MS, log }, async () => {
    await pruneTopics(db, { olderThan: new Date(Date.now() - KEEP_MS) })
  })
  return async () => {
    await pruning.stop()
    await db.close()
  }
}
