import { type DevCa, startDevCa } from '@bitka/dev-ca'
import { type EventLog, openPostgresLog, syncTopics } from '@bitka/events'
import { silentLogger } from '@bitka/kernel'
import { type Client, createClient, type ServiceName, serviceNames, WorkloadIdentity } from '@bitka/mesh'
import { repositoryFolder, type ServiceEnv } from '@bitka/service'
import { appRole, type Db, migrate, openDb, schemaName } from '@bitka/store'
import type { DescService } from '@bufbuild/protobuf'
import { type TestDatabase, testDatabase } from './pg.ts'
import { tempDir } from './temp-dir.ts'
import { PATIENCE_MS } from './wait.ts'

export type TestPlatform = {
  database: TestDatabase
  ca: DevCa
  /** The environment of a service, as it would be in production; `own` adds or replaces variables. */
  env(service: ServiceName, own?: ServiceEnv): ServiceEnv
  /** Says where a service listens, for the environments made afterwards. */
  at(service: ServiceName, port: number): void
  /** A typed client that calls `target` as `caller` does. */
  client<S extends DescService>(
    desc: S,
    caller: ServiceName,
    target: { service: ServiceName; port: number },
  ): Promise<Client<S>>
  /** The event log as this service sees it. */
  eventLog(service: ServiceName): EventLog
  /** The database as this service's app role. */
  db(service: ServiceName): Db
  stop(): Promise<void>
}

const withDatabase = serviceNames.filter((name) => name !== 'gateway')

/** Everything that services stand on, real: PostgreSQL with the event log, and the development CA. One a suite. */
export async function testPlatform(options: { svidTtlSeconds?: number } = {}): Promise<TestPlatform> {
  const database = await testDatabase({ services: [...withDatabase, 'event_log'] })
  const stops: (() => Promise<void>)[] = [() => database.drop()]
  const { ownerUrl } = database.of('event_log')
  const folder = repositoryFolder('libs/events/migrations')
  await migrate({ ownerUrl, schema: 'event_log', folder, appRole: appRole('event_log'), log: silentLogger })
  const owner = openDb({ url: ownerUrl, schema: 'event_log', poolSize: 1 })
  await syncTopics(owner)
  await owner.close()
  const ca = await startDevCa({
    dir: await tempDir(),
    services: serviceNames.map((name) => ({ name })),
    ttlSeconds: options.svidTtlSeconds ?? 3600,
    log: silentLogger,
  })
  stops.push(() => ca.stop())

  const ports = new Map<ServiceName, number>()
  const identities = new Map<ServiceName, WorkloadIdentity>()
  const identityOf = async (name: ServiceName): Promise<WorkloadIdentity> => {
    const found = identities.get(name)
    if (found) return found
    const identity = WorkloadIdentity.connect({ socketPath: ca.socketPath(name), log: silentLogger })
    identities.set(name, identity)
    stops.push(async () => identity.close())
    await identity.ready()
    return identity
  }
  return {
    database,
    ca,
    env: (service, own = {}) => ({
      BITKA_PROFILE: 'demo',
      BITKA_LOG_LEVEL: 'silent',
      ...(service === 'gateway'
        ? {}
        : { BITKA_DB_URL: database.of(service).appUrl, BITKA_DB_OWNER_URL: database.of(service).ownerUrl }),
      SPIFFE_ENDPOINT_SOCKET: ca.socketPath(service),
      BITKA_TRUST_DOMAIN: ca.trustDomain,
      BITKA_PEERS: [...ports].map(([name, port]) => `${name}=localhost:${port}`).join(','),
      ...own,
    }),
    at: (service, port) => {
      ports.set(service, port)
    },
    client: async (desc, caller, target) => {
      const identity = await identityOf(caller)
      const client = createClient(desc, {
        identity,
        target: `localhost:${target.port}`,
        expect: target.service,
        log: silentLogger,
        defaultDeadlineMs: PATIENCE_MS,
      })
      stops.push(async () => client.close())
      return client
    },
    eventLog: (service) => {
      const log = openPostgresLog({ url: database.of(service).appUrl, service, logger: silentLogger })
      stops.push(() => log.close())
      return log
    },
    db: (service) => {
      const db = openDb({ url: database.of(service).appUrl, schema: schemaName(service), poolSize: 2 })
      stops.push(() => db.close())
      return db
    },
    stop: async () => {
      for (const step of stops.splice(0).reverse()) await step()
    },
  }
}
