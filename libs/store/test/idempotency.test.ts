import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError, type ErrorKind, silentLogger } from '@bitka/kernel'
import { type TestDatabase, tempDir, testDatabase, waitFor } from '@bitka/testkit'
import {
  type Db,
  type IdempotencyKey,
  idempotent,
  migrate,
  openDb,
  purgeIdempotency,
  requestHash,
  type Tx,
} from '../src/index.ts'

let database: TestDatabase
let db: Db

beforeAll(async () => {
  database = await testDatabase({ services: ['order'] })
  const { ownerUrl, appUrl, appRole, schema } = database.of('order')
  const folder = join(await tempDir(), 'migrations')
  await mkdir(folder)
  // The SQL that the README tells services to copy is the SQL under test.
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const tableSql = /```sql\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  await writeFile(
    join(folder, '0001_init.sql'),
    `${tableSql}; create table effects (id text); grant select, insert on effects to :app_role;`,
  )
  await migrate({ ownerUrl, schema, folder, appRole, log: silentLogger })
  db = openDb({ url: appUrl, schema })
})
afterAll(async () => {
  await db.close()
  await database.drop()
})

const keys = (function* () {
  for (let n = 1; ; n += 1) yield `key-${n}`
})()
const freshKey = (change: Partial<IdempotencyKey> = {}): IdempotencyKey => ({
  scope: 'order.v1.CreateOrder',
  userId: 'alice',
  key: keys.next().value,
  requestHash: requestHash('a request'),
  ttlMs: null,
  ...change,
})
const effect = (tx: Tx, id: string) => tx.query('insert into effects (id) values ($1)', [id])
const effects = async (id: string) => (await db.query('select 1 from effects where id = $1', [id])).rowCount

const once = <T>(key: IdempotencyKey, answer: (tx: Tx) => T | Promise<T>) =>
  db.transaction((tx) =>
    idempotent(tx, key, async () => {
      await effect(tx, key.key)
      return answer(tx)
    }),
  )
const refuse = (kind: ErrorKind) => () => {
  throw new DomainError(kind, `refused: ${kind}`, { field: 'why' })
}

it('answers a repeat with the first answer and does nothing', async () => {
  const key = freshKey()
  const first = await once(key, () => ({ id: 'o1', amount: 5n, list: [1n, 'x'], none: null }))
  expect(first).toEqual({ id: 'o1', amount: 5n, list: [1n, 'x'], none: null })
  expect(await once(key, () => ({ id: 'o2' }))).toEqual(first)
  expect(await effects(key.key)).toBe(1)
})

it('refuses the same key for another request, and keeps users and scopes apart', async () => {
  const key = freshKey()
  await once(key, () => 'first')
  await expect(once({ ...key, requestHash: requestHash('another') }, () => 'x')).rejects.toMatchObject({
    kind: 'conflict',
  })
  expect(await once({ ...key, userId: 'bob' }, () => 'of bob')).toBe('of bob')
  expect(await once({ ...key, scope: 'order.v1.CancelOrder' }, () => 'of cancel')).toBe('of cancel')
})

it.each<ErrorKind>(['conflict', 'insufficient_funds', 'not_found'])(
  'remembers the refusal %s and undoes its writes',
  async (kind) => {
    const key = freshKey()
    const woken: string[] = []
    const attempt = () =>
      once(key, (tx) => {
        tx.afterCommit(() => woken.push('woken'))
        return refuse(kind)()
      })
    const refusal = { kind, message: `refused: ${kind}`, details: { field: 'why' } }
    await expect(attempt()).rejects.toMatchObject(refusal)
    await expect(once(key, () => 'would work now')).rejects.toMatchObject(refusal)
    expect(await effects(key.key)).toBe(0)
    expect(woken).toEqual([])
  },
)

it.each<ErrorKind>([
  'invalid',
  'unauthenticated',
  'forbidden',
  'rate_limited',
  'unavailable',
  'deadline_exceeded',
  'internal',
])('forgets what never began: %s', async (kind) => {
  const key = freshKey()
  await expect(once(key, refuse(kind))).rejects.toMatchObject({ kind })
  expect(await effects(key.key)).toBe(0)
  expect(await once(key, () => 'now')).toBe('now')
})

it('forgets a run that failed by a bug, also a broken statement', async () => {
  const key = freshKey()
  await expect(once(key, (tx) => tx.query('select 1/0'))).rejects.toThrow('division by zero')
  expect(await once(key, () => 'now')).toBe('now')
})

/** Starts a first request that holds its key until it is let go, and a second one that waits for it. */
async function firstAndSecond(key: IdempotencyKey, first: () => string) {
  let letGo: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    letGo = resolve
  })
  const sessions = async (where: string) =>
    (await db.query(`select 1 from pg_stat_activity where datname = current_database() and ${where}`)).rowCount
  let holds = false
  const outcomes = [
    once(key, () => {
      holds = true
      return gate.then(first)
    }),
  ]
  await waitFor(() => holds, { what: 'the first to hold its key' })
  outcomes.push(once(key, () => 'of the second'))
  const settled = Promise.allSettled(outcomes)
  await waitFor(() => sessions(`wait_event_type = 'Lock'`), { what: 'the second to wait' })
  letGo()
  return settled
}

it('lets the second of two wait for the first and get its answer', async () => {
  const key = freshKey()
  const outcomes = await firstAndSecond(key, () => 'of the first')
  expect(outcomes).toEqual(Array(2).fill({ status: 'fulfilled', value: 'of the first' }))
  expect(await effects(key.key)).toBe(1)
})

it('lets the second of two do the work when the first rolls back', async () => {
  const key = freshKey()
  const [first, second] = await firstAndSecond(key, refuse('unavailable'))
  expect(first).toMatchObject({ status: 'rejected', reason: { kind: 'unavailable' } })
  expect(second).toEqual({ status: 'fulfilled', value: 'of the second' })
  expect(await effects(key.key)).toBe(1)
})

it('runs once however many come at the same time', async () => {
  const key = freshKey()
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => once(key, () => i)))
  expect(new Set(answers).size).toBe(1)
  expect(await effects(key.key)).toBe(1)
})

it('does a key anew once it has expired, and purges what has', async () => {
  const start = new Date('2026-01-01T00:00:00Z')
  const later = new Date('2026-01-02T00:00:01Z')
  const key = freshKey({ ttlMs: 86_400_000, now: start })
  const forgotten = freshKey({ ttlMs: 1_000, now: start })
  const forGood = freshKey({ now: start })
  for (const each of [key, forgotten, forGood]) await once(each, () => 'first')
  expect(await once({ ...key, now: new Date('2026-01-01T23:59:59Z') }, () => 'second')).toBe('first')
  const another = { ...key, now: later, requestHash: requestHash('another request') }
  expect(await once(another, () => 'second')).toBe('second')
  expect(await once(another, () => 'third')).toBe('second')
  expect(await purgeIdempotency(db, { now: later, limit: 5 })).toBe(1)
  expect(await purgeIdempotency(db, { now: later })).toBe(0)
  expect(await once({ ...forGood, now: later }, () => 'second')).toBe('first')
})

it('stores what the codec gives, so that a secret can be left out of the repeat', async () => {
  const key = freshKey()
  const codec = {
    encode: ({ id }: { id: string; secret?: string }) => Buffer.from(id),
    decode: (bytes: Uint8Array) => ({ id: Buffer.from(bytes).toString() }),
  }
  const call = () => db.transaction((tx) => idempotent(tx, key, async () => ({ id: 'k1', secret: 's' }), codec))
  expect(await call()).toEqual({ id: 'k1', secret: 's' })
  expect(await call()).toEqual({ id: 'k1' })
})

it('hashes the parts of a request apart', () => {
  expect(requestHash('ab', 'c')).not.toEqual(requestHash('a', 'bc'))
  expect(requestHash('ab', Buffer.from('c'))).toEqual(requestHash('ab', 'c'))
})
