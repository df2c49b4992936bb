import { DomainError, newId, silentLogger } from '@bitka/kernel'
import type { CallOptions, Client } from '@bitka/mesh'
import { UserRegisteredSchema } from '@bitka/proto/bitka/events/v1/identity_pb'
import { OperationsService } from '@bitka/proto/bitka/operations/v1/operations_pb'
import type { RunningService } from '@bitka/service'
import type { Db } from '@bitka/store'
import { type FakeAuth, fakeAuth, freePort, type TestPlatform, testPlatform } from '@bitka/testkit'
import { create, toBinary } from '@bufbuild/protobuf'
import { startNotification } from '../src/service.ts'

// What libs/service offers every service, on one whose records are parked.

let platform: TestPlatform
let auth: FakeAuth
let notification: RunningService
let client: Client<typeof OperationsService>
let db: Db
let operator: CallOptions
let parked = 0

beforeAll(async () => {
  platform = await testPlatform()
  auth = await fakeAuth(platform)
  platform.at('user', await freePort())
  notification = await startNotification(
    platform.env('notification', {
      BITKA_MAILGUN_URL: 'http://localhost:9',
      BITKA_MAILGUN_DOMAIN: 'mail.test',
      BITKA_MAILGUN_API_KEY: 'test-api-key',
      BITKA_MAILGUN_SIGNING_KEY: 'test-signing-key',
      BITKA_MAIL_FROM: 'BitKa <no-reply@mail.test>',
    }),
    { log: silentLogger },
  )
  db = platform.db('notification')
  client = await platform.client(OperationsService, 'gateway', { service: 'notification', port: notification.port })
  operator = { token: await auth.token(newId(), { roles: ['user', 'operator'] }) }
})
afterAll(async () => {
  await notification?.stop()
  await auth?.stop()
  await platform?.stop()
})
beforeEach(() => db.query('delete from dead_letters'))

/** Parks a registration of this user; answers the letter's id. */
async function park(userId = newId()): Promise<string> {
  parked += 1
  const { rows } = await db.query<{ id: bigint }>(
    `insert into dead_letters
       (consumer_group, topic, partition, record_offset, record_time, key, headers, value, error, attempts)
     values ('notification.mails', 'identity.user.registered', 0, $1, now(), 'k', $2, $3, 'refused', 6) returning id`,
    [
      1_000_000 + parked,
      JSON.stringify({ 'event-id': newId() }),
      Buffer.from(toBinary(UserRegisteredSchema, create(UserRegisteredSchema, { userId }))),
    ],
  )
  return String(rows[0]?.id)
}

const list = (request: { page?: number; perPage?: number; limit?: number } = {}) =>
  client.listDeadLetters({ service: 'notification', ...request }, operator)

async function refusal(call: Promise<unknown>): Promise<unknown> {
  try {
    await call
    return 'it was done'
  } catch (error) {
    if (!(error instanceof DomainError)) throw error
    return [error.kind, ...Object.keys(error.details)]
  }
}

describe('the list', () => {
  it('has pages of 25, oldest first, and says how many there are', async () => {
    expect(await list()).toMatchObject({ items: [], pagination: { page: 1, perPage: 25, total: 0n, totalPages: 0 } })
    const ids: string[] = []
    for (let index = 0; index < 27; index += 1) ids.push(await park())
    const first = await list()
    expect(first.items.map(({ id }) => id)).toEqual(ids.slice(0, 25))
    expect(first.pagination).toMatchObject({ page: 1, perPage: 25, total: 27n, totalPages: 2 })
    expect((await list({ page: 2 })).items.map(({ id }) => id)).toEqual(ids.slice(25))
    const third = await list({ page: 3, perPage: 10 })
    expect(third.items.map(({ id }) => id)).toEqual(ids.slice(20))
    expect(third.pagination).toMatchObject({ page: 3, perPage: 10, total: 27n, totalPages: 3 })
  })

  it('takes limit for per_page, as it did before there were pages', async () => {
    for (let index = 0; index < 3; index += 1) await park()
    const page = await list({ limit: 2 })
    expect(page.items).toHaveLength(2)
    expect(page.pagination).toMatchObject({ perPage: 2, total: 3n, totalPages: 2 })
  })

  it.each([
    [{ limit: 0 }, 'limit'],
    [{ limit: 201 }, 'limit'],
    [{ perPage: 0 }, 'per_page'],
    [{ perPage: 201 }, 'per_page'],
    [{ page: 0 }, 'page'],
    [{ limit: 5, perPage: 5 }, 'limit'],
  ])('refuses %j', async (request, field) => {
    expect(await refusal(list(request))).toEqual(['invalid', field])
  })
})

const keyed = (idempotencyKey: string): CallOptions => ({ ...operator, edge: { idempotencyKey } })
const audited = async (action: string): Promise<number> => {
  const { rows } = await db.query<{ count: string }>(
    `select count(*)::text as count from outbox where topic like 'system.audit.log.%' and position($1::bytea in value) > 0`,
    [Buffer.from(action)],
  )
  return Number(rows[0]?.count)
}
const mailsTo = async (userId: string): Promise<number> => {
  const { rows } = await db.query<{ count: string }>(
    'select count(*)::text as count from deliveries where user_id = $1',
    [userId],
  )
  return Number(rows[0]?.count)
}

describe('replay and drop', () => {
  it.each([
    ['replayDeadLetter', 'admin.dead-letter.replay'],
    ['dropDeadLetter', 'admin.dead-letter.drop'],
  ] as const)('%s answers a repeat of its key as it answered first, and does nothing more', async (method, action) => {
    const [userId, other] = [newId(), await park()]
    const deadLetterId = await park(userId)
    const before = await audited(action)
    const key = newId()
    for (const _ of ['first', 'repeat', 'repeat']) {
      expect(await client[method]({ service: 'notification', deadLetterId }, keyed(key))).toMatchObject({})
    }
    expect(await audited(action)).toBe(before + 1)
    expect(await mailsTo(userId)).toBe(method === 'replayDeadLetter' ? 1 : 0)
    // The same key for another letter, and the same letter with another key.
    expect(await refusal(client[method]({ service: 'notification', deadLetterId: other }, keyed(key)))).toEqual([
      'conflict',
    ])
    const again = { service: 'notification', deadLetterId }
    for (const _ of ['first', 'repeat']) expect(await refusal(client[method](again, keyed('k')))).toEqual(['not_found'])
    expect(await refusal(client[method](again, operator))).toEqual(['not_found'])
    expect((await list()).items.map(({ id }) => id)).toEqual([other])
  })

  it('refuses what is no key', async () => {
    const deadLetterId = await park()
    for (const key of ['a b', 'x'.repeat(65)]) {
      const call = client.dropDeadLetter({ service: 'notification', deadLetterId }, keyed(key))
      expect(await refusal(call)).toEqual(['invalid', 'Idempotency-Key'])
    }
  })
})
