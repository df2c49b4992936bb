import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { startDevCa } from '@bitka/dev-ca'
import { eventLogMigrations, eventLogSchema, syncTopics } from '@bitka/events'
import { DomainError, ManualClock, newId, silentLogger } from '@bitka/kernel'
import {
  type CallOptions,
  type Client,
  createClient,
  createServer,
  implement,
  type Role,
  type ServiceImpl,
  type ServiceName,
  WorkloadIdentity,
} from '@bitka/mesh'
import { DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { type AuditRecorded, AuditRecordedSchema } from '@bitka/proto/bitka/events/v1/audit_pb'
import { appRole, type Db, migrate, openDb } from '@bitka/store'
import { freePort, PATIENCE_MS, type TestDatabase, tempDir, testDatabase } from '@bitka/testkit'
import { type DescService, fromBinary } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import { SignJWT } from 'jose'
import { startUser } from '../src/service.ts'

const callers: readonly ServiceName[] = ['auth', 'user', 'gateway', 'notification', 'order']
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

export type Person = { userId: string; username: string; email: string; registeredAt: Date }

/** Auth's directory, in memory: who exists, and the key that tokens of the test are signed with. */
class FakeDirectory {
  readonly people = new Map<string, Person>()
  /** How often it was asked who somebody is. */
  asked = 0

  readonly rpcs: ServiceImpl<typeof DirectoryService> = {
    getKeys: async () => {
      const { n = '', e = '' } = publicKey.export({ format: 'jwk' })
      return { keys: [{ kty: 'RSA', use: 'sig', alg: 'RS256', kid: 'test', n, e }] }
    },
    getUsers: async ({ userIds }) => {
      this.asked += 1
      const found = userIds.flatMap((id) => this.people.get(id) ?? [])
      return {
        users: found.map(({ registeredAt, ...user }) => ({ ...user, createdAt: timestampFromDate(registeredAt) })),
      }
    },
    resolveUsername: async () => {
      throw new DomainError('not_found', 'There is no such user.')
    },
    listRevokedSessions: async () => ({ sessions: [] }),
  }
}

/** A user service over real mTLS on a real database, and a directory in auth's place. */
export class Harness {
  readonly clock = new ManualClock(Date.now())
  readonly directory = new FakeDirectory()
  private readonly undo: (() => unknown)[] = []
  private readonly identities = new Map<ServiceName, WorkloadIdentity>()
  private socketPath: (name: ServiceName) => string = () => ''
  private port = 0

  private constructor(
    readonly database: TestDatabase,
    readonly db: Db,
  ) {}

  static async open(profile = 'demo'): Promise<Harness> {
    const database = await testDatabase({ services: ['user', eventLogSchema, 'ledger'] })
    const { ownerUrl } = database.of(eventLogSchema)
    const role = appRole(eventLogSchema)
    await migrate({ ownerUrl, schema: eventLogSchema, folder: eventLogMigrations, appRole: role, log: silentLogger })
    const logDb = openDb({ url: ownerUrl, schema: eventLogSchema, poolSize: 1 })
    await syncTopics(logDb)
    await logDb.close()
    const db = openDb({ url: database.of('user').ownerUrl, schema: 'user', poolSize: 1 })
    const harness = new Harness(database, db)
    harness.undo.push(
      () => database.drop(),
      () => db.close(),
    )
    try {
      await harness.start(profile)
    } catch (error) {
      await harness.close()
      throw error
    }
    return harness
  }

  private async start(profile: string): Promise<void> {
    const dir = join(await tempDir(), 'ca')
    const ca = await startDevCa({ dir, services: callers.map((name) => ({ name })), log: silentLogger })
    this.undo.push(() => ca.stop())
    this.socketPath = (name) => ca.socketPath(name)
    const all = { kind: 'internal', callers: ['user'] } as const
    const policy = { getKeys: all, getUsers: all, resolveUsername: all, listRevokedSessions: all }
    const auth = createServer({
      identity: this.identity('auth'),
      log: silentLogger,
      port: 0,
      host: 'localhost',
      services: [implement(DirectoryService, this.directory.rpcs, policy)],
    })
    await auth.start()
    this.undo.push(() => auth.drain(0))
    this.port = await freePort()
    const env = {
      BITKA_PROFILE: profile,
      BITKA_DB_URL: this.database.of('user').appUrl,
      BITKA_DB_OWNER_URL: this.database.of('user').ownerUrl,
      SPIFFE_ENDPOINT_SOCKET: ca.socketPath('user'),
      BITKA_RPC_PORT: String(this.port),
      BITKA_PEERS: `auth=localhost:${auth.port}`,
    }
    const service = await startUser(env, { clock: this.clock, log: silentLogger })
    this.undo.push(() => service.stop())
  }

  private identity(name: ServiceName): WorkloadIdentity {
    const known = this.identities.get(name)
    if (known) return known
    const opened = WorkloadIdentity.connect({ socketPath: this.socketPath(name), log: silentLogger })
    this.identities.set(name, opened)
    this.undo.push(() => opened.close())
    return opened
  }

  client<S extends DescService>(desc: S, caller: ServiceName): Client<S> {
    const target = `localhost:${this.port}`
    const client = createClient(desc, {
      identity: this.identity(caller),
      target,
      expect: 'user',
      log: silentLogger,
      defaultDeadlineMs: PATIENCE_MS,
    })
    this.undo.push(() => client.close())
    return client
  }

  /** Somebody whom auth knows. */
  person(username: string): Person {
    const userId = newId()
    const person = {
      userId,
      username,
      email: `${username}@example.com`,
      registeredAt: new Date(this.clock.nowMs() - 1_000),
    }
    this.directory.people.set(userId, person)
    return person
  }

  /** What a call of that person carries. */
  async as({ userId }: Pick<Person, 'userId'>, ...roles: Role[]): Promise<CallOptions> {
    const nowSeconds = Math.floor(this.clock.nowMs() / 1_000)
    const token = await new SignJWT({ sid: newId(), roles: ['user', ...roles] })
      .setProtectedHeader({ alg: 'RS256', kid: 'test' })
      .setIssuer('bitka-auth')
      .setAudience('bitka')
      .setSubject(userId)
      .setExpirationTime(nowSeconds + 900)
      .sign(privateKey)
    return { token }
  }

  async audited(): Promise<AuditRecorded[]> {
    const { rows } = await this.db.query<{ value: Buffer }>('select value from outbox order by id')
    return rows.map(({ value }) => fromBinary(AuditRecordedSchema, value))
  }

  async close(): Promise<void> {
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
