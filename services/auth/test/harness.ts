import { join } from 'node:path'
import { type DevCa, startDevCa } from '@bitka/dev-ca'
import { eventLogMigrations, eventLogSchema, syncTopics } from '@bitka/events'
import { DomainError, ManualClock, silentLogger } from '@bitka/kernel'
import { type CallOptions, type Client, createClient, type ServiceName, WorkloadIdentity } from '@bitka/mesh'
import { AuthService, DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { type AuditRecorded, AuditRecordedSchema } from '@bitka/proto/bitka/events/v1/audit_pb'
import type { RunningService, ServiceEnv } from '@bitka/service'
import { appRole, type Db, migrate, openDb } from '@bitka/store'
import { freePort, PATIENCE_MS, type TestDatabase, tempDir, testDatabase } from '@bitka/testkit'
import { type DescMessage, type DescService, fromBinary, type MessageShape } from '@bufbuild/protobuf'
import { startAuth } from '../src/service.ts'

export const operator = { email: 'ops@bitka.test', password: 'a lighthouse on the pier' }
export const password = 'quiet river under stars'

const callers: readonly ServiceName[] = ['auth', 'gateway', 'ledger', 'user', 'order']

/** An auth service over real mTLS on a real database, the clients of its callers, and a clock that tests move. */
export class Harness {
  readonly clock = new ManualClock(Date.now())
  private readonly undo: (() => unknown)[] = []
  private readonly identities = new Map<ServiceName, WorkloadIdentity>()
  private service: RunningService | undefined
  private people = 0

  private constructor(
    readonly database: TestDatabase,
    private readonly ca: DevCa,
    private readonly port: number,
    /** The service's tables, as their owner. */
    readonly db: Db,
  ) {}

  static async open(env: ServiceEnv = {}): Promise<Harness> {
    const database = await testDatabase({ services: ['auth', eventLogSchema, 'ledger'] })
    const log = database.of(eventLogSchema)
    await migrate({
      ownerUrl: log.ownerUrl,
      schema: eventLogSchema,
      folder: eventLogMigrations,
      appRole: appRole(eventLogSchema),
      log: silentLogger,
    })
    const logDb = openDb({ url: log.ownerUrl, schema: eventLogSchema, poolSize: 1 })
    await syncTopics(logDb)
    await logDb.close()
    const dir = join(await tempDir(), 'ca')
    const ca = await startDevCa({ dir, services: callers.map((name) => ({ name })), log: silentLogger })
    const db = openDb({ url: database.of('auth').ownerUrl, schema: 'auth', poolSize: 2 })
    const harness = new Harness(database, ca, await freePort(), db)
    harness.undo.push(
      () => database.drop(),
      () => ca.stop(),
      () => db.close(),
    )
    try {
      await harness.start(env)
    } catch (error) {
      await harness.close()
      throw error
    }
    return harness
  }

  private env(more: ServiceEnv): ServiceEnv {
    const { appUrl, ownerUrl } = this.database.of('auth')
    return {
      BITKA_PROFILE: 'demo',
      BITKA_DB_URL: appUrl,
      BITKA_DB_OWNER_URL: ownerUrl,
      SPIFFE_ENDPOINT_SOCKET: this.ca.socketPath('auth'),
      // Kept over restarts, so that clients find it again.
      BITKA_RPC_PORT: String(this.port),
      BITKA_AUTH_KEK: Buffer.alloc(32, 7).toString('base64'),
      BITKA_OPERATOR_EMAIL: operator.email,
      BITKA_OPERATOR_PASSWORD: operator.password,
      ...more,
    }
  }

  async start(more: ServiceEnv = {}): Promise<void> {
    this.service = await startAuth(this.env(more), { clock: this.clock, log: silentLogger })
  }

  async stop(): Promise<void> {
    await this.service?.stop()
    this.service = undefined
  }

  client<S extends DescService>(desc: S, caller: ServiceName): Client<S> {
    let identity = this.identities.get(caller)
    if (!identity) {
      identity = WorkloadIdentity.connect({ socketPath: this.ca.socketPath(caller), log: silentLogger })
      this.identities.set(caller, identity)
      const opened = identity
      this.undo.push(() => opened.close())
    }
    const target = `localhost:${this.port}`
    const client = createClient(desc, {
      identity,
      target,
      expect: 'auth',
      log: silentLogger,
      defaultDeadlineMs: PATIENCE_MS,
    })
    this.undo.push(() => client.close())
    return client
  }

  get auth(): Client<typeof AuthService> {
    this.gateway ??= this.client(AuthService, 'gateway')
    return this.gateway
  }
  private gateway: Client<typeof AuthService> | undefined

  directory(caller: ServiceName): Client<typeof DirectoryService> {
    return this.client(DirectoryService, caller)
  }

  /** Somebody new, by the name given or any. */
  async register(name?: string): Promise<{ userId: string; username: string; email: string }> {
    this.people += 1
    const username = name ?? `person-${this.people}`
    const email = `${username}@example.com`
    const { userId } = await this.auth.register({ username, email, password })
    return { userId, username, email }
  }

  async login(identifier: string, options: { password?: string; from?: string; agent?: string } = {}) {
    const edge = { clientAddress: options.from ?? '198.51.100.7', userAgent: options.agent ?? 'test' }
    const request = { identifier, password: options.password ?? password }
    const { accessToken, refreshToken } = await this.auth.login(request, { edge })
    return { accessToken, refreshToken, as: { token: accessToken, edge } satisfies CallOptions }
  }

  async loginOperator() {
    return this.login('operator', { password: operator.password, from: '203.0.113.1' })
  }

  /** What was published on a topic, oldest first. */
  async published<S extends DescMessage>(topic: string, schema: S): Promise<MessageShape<S>[]> {
    const { rows } = await this.db.query<{ value: Buffer }>('select value from outbox where topic = $1 order by id', [
      topic,
    ])
    return rows.map(({ value }) => fromBinary(schema, value))
  }

  /** Audit rows of an action, oldest first. */
  async audited(action: string): Promise<AuditRecorded[]> {
    const all = await this.published('system.audit.log.auth', AuditRecordedSchema)
    return all.filter((row) => row.action === action)
  }

  async close(): Promise<void> {
    await this.stop()
    for (const undo of this.undo.reverse()) await undo()
  }
}

/** The DomainError that a call is refused with. */
export async function refusal(call: Promise<unknown>): Promise<DomainError> {
  try {
    await call
  } catch (error) {
    if (error instanceof DomainError) return error
    throw error
  }
  throw new Error('it was not refused')
}

/** As the caller sees it: everything that could tell two refusals apart. */
export const shown = ({ kind, message, details }: DomainError) => ({ kind, message, details })
