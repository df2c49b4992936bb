import { silentLogger } from '@bitka/kernel'
import { type TestDatabase, testDatabase, waitFor } from '@bitka/testkit'
import { type Db, type Hints, openDb, openHints } from '../src/index.ts'

let database: TestDatabase
const stops: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  database = await testDatabase({ services: ['order', 'ledger'] })
})
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})
afterAll(() => database?.drop())

/** A process of a service. */
function open(service: 'order' | 'ledger' = 'order'): { hints: Hints; heard: string[]; db: Db } {
  const db = openDb({ url: database.of(service).appUrl, schema: service, poolSize: 3 })
  const heard: string[] = []
  const hints = openHints({ db, log: silentLogger, onHints: (keys) => heard.push(...keys) })
  stops.push(() => db.close())
  stops.push(() => hints.stop())
  return { hints, heard, db }
}

/** Sends until they are heard: two processes may not have met yet. */
const sendUntil = (hints: Hints, keys: string[], isHeard: () => boolean): Promise<unknown> =>
  waitFor(async () => {
    hints.send(keys)
    return isHeard()
  })

it('tells the other processes of the service, and neither itself nor another service', async () => {
  const [one, two, other] = [open(), open(), open('ledger')]
  await sendUntil(one.hints, ['a', 'b'], () => two.heard.includes('b'))
  expect(new Set(two.heard)).toEqual(new Set(['a', 'b']))
  expect(one.heard).toEqual([])
  expect(other.heard).toEqual([])
})

it('carries more keys than fit into one message', async () => {
  const [one, two] = [open(), open()]
  await sendUntil(one.hints, ['ready'], () => two.heard.includes('ready'))
  const keys = Array.from({ length: 1_000 }, (_, i) => `order ${i} of somebody`)
  one.hints.send(keys)
  await waitFor(() => two.heard.filter((key) => key !== 'ready').length === keys.length)
  expect(two.heard.filter((key) => key !== 'ready').sort()).toEqual(keys.sort())
})

it('asks the database for nothing while nobody else listens', async () => {
  const { hints, db } = open()
  const sent: unknown[] = []
  const query = db.query.bind(db)
  db.query = ((sql: string, params: unknown[]) => {
    sent.push(params[0])
    return query(sql, params)
  }) as Db['query']
  await waitFor(() => sent.length > 0, { what: 'its first hello' })
  hints.send(['a'])
  await waitFor(() => sent.length > 1, { what: 'its second hello' })
  expect(JSON.stringify(sent)).not.toContain('keys')
})

it('hears again after its connection was lost', async () => {
  const [one, two] = [open(), open()]
  await sendUntil(one.hints, ['before'], () => two.heard.includes('before'))
  await one.db.query(
    // Of this database only: other suites have the same role on the same server.
    `select pg_terminate_backend(pid) from pg_stat_activity
     where pid <> pg_backend_pid() and datname = current_database() and query like '%listen %I%'`,
  )
  await sendUntil(one.hints, ['after'], () => two.heard.includes('after'))
  await sendUntil(two.hints, ['back'], () => one.heard.includes('back'))
})

it('lets garbage pass', async () => {
  const [one, two] = [open(), open()]
  await one.db.query(
    `select pg_notify('hints order', p) from unnest(array['', '{', '[]', '{"from": 1}', '{"from":"x","keys":[1]}']) p`,
  )
  await sendUntil(one.hints, ['fine'], () => two.heard.includes('fine'))
  expect(new Set(two.heard)).toEqual(new Set(['fine']))
})
