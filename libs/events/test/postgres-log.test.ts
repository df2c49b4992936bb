import { silentLogger } from '@bitka/kernel'
import { waitFor } from '@bitka/testkit'
import {
  type EventLog,
  eventLogSchema,
  FencedError,
  openPostgresLog,
  pruneTopics,
  type TopicTable,
} from '../src/index.ts'
import { logConformance, readAll, record, values } from './conformance.ts'
import { type EventsFixture, eventsFixture } from './fixture.ts'

const spec = (partitions: number, money = true) => ({
  producers: ['order' as const],
  consumers: ['order' as const],
  partitions,
  money,
  key: 'market' as const,
})

/** Topics made before the first test, since syncTopics sets the whole table. */
const table = Object.fromEntries(
  [1, 2, 4].flatMap((partitions) =>
    Array.from({ length: 12 }, (_, i): [string, TopicTable[string]] => [`test.p${partitions}.n${i}`, spec(partitions)]),
  ),
)

logConformance('PostgreSQL', async () => {
  const fixture = await eventsFixture(['order', 'ledger'], table)
  const used = new Map<number, number>()
  return {
    async topic(partitions) {
      const n = used.get(partitions) ?? 0
      used.set(partitions, n + 1)
      return `test.p${partitions}.n${n}`
    },
    open: () => openPostgresLog({ url: fixture.database.of('order').appUrl, service: 'order', logger: silentLogger }),
    openForeign: () =>
      openPostgresLog({ url: fixture.database.of('ledger').appUrl, service: 'ledger', logger: silentLogger }),
    stop: () => fixture.stop(),
  }
})

describe('the log in PostgreSQL', () => {
  let fixture: EventsFixture
  let log: EventLog
  const ownTopics: TopicTable = { kept: spec(2), ticks: spec(1, false), waits: spec(1), racing: spec(2), held: spec(2) }

  beforeAll(async () => {
    fixture = await eventsFixture(['order', 'ledger'], ownTopics)
    log = fixture.log('order')
  })
  afterAll(() => fixture?.stop())

  it('hides a record until every record before it in the partition is visible', async () => {
    const { appUrl } = fixture.database.of('order')
    const slow = new (await import('pg')).default.Client({ connectionString: appUrl })
    await slow.connect()
    const append = `select o_offset from event_log.append_records('racing', '{0}', '{k}', '{"{}"}', '{""}', null)`
    await slow.query('begin')
    await slow.query(append)
    const second = log.append('racing', [{ ...record('k', 'second'), partition: 0 }])
    // Another partition is not held up.
    await log.append('racing', [{ ...record('k', 'other'), partition: 1 }])
    expect((await log.read('racing', 0, 0n)).records).toEqual([])
    await slow.query('commit')
    await slow.end()
    expect(await second).toEqual([{ partition: 0, offset: 1n }])
    expect((await readAll(log, 'racing', 0)).map(({ offset }) => offset)).toEqual([0n, 1n])
  })

  it.each([
    ['update', `update event_log.records set value = ''`],
    ['delete', 'delete from event_log.records'],
    ['truncate', 'truncate event_log.records'],
    ['insert', `insert into event_log.records values (1, 0, 99, now(), '', '{}', '')`],
    ['select', 'select * from event_log.records'],
    ['head', 'update event_log.heads set next_offset = 0'],
    ['fence', 'update event_log.heads set fence_token = 99'],
    ['table of producers', `insert into event_log.topic_producers values (1, 'ledger_app')`],
    ['sync', `select event_log.sync_topics('[]')`],
    ['prune', `select event_log.prune_records('ticks', now(), 10)`],
    ['alter', 'alter table event_log.records add column x int'],
    ['drop', 'drop function event_log.topic_ends'],
    ['replace', `create function event_log.x() returns int language sql as 'select 1'`],
    ['set role', 'set role event_log_owner'],
    ['session', 'set session authorization order_app'],
    ['foreign append', `select event_log.append_records('kept', '{0}', '{k}', '{"{}"}', '{""}', null)`],
    ['foreign read', `select event_log.read_records('kept', 0, 0, 1)`],
    ['foreign fence', `select event_log.acquire_fence('kept', 0, 'me')`],
  ])('refuses an app role that tries: %s', async (_, sql) => {
    await expect(fixture.run(fixture.database.of('ledger').appUrl, sql)).rejects.toMatchObject({ code: '42501' })
  })

  it('keeps a producer away from what only the owner may do, too', async () => {
    const { appUrl } = fixture.database.of('order')
    for (const sql of ['delete from event_log.records', `update event_log.heads set fence_token = 0`]) {
      await expect(fixture.run(appUrl, sql)).rejects.toMatchObject({ code: '42501' })
    }
    await expect(
      fixture.run(appUrl, `select event_log.append_records('kept', '{7}', '{k}', '{"{}"}', '{""}', null)`),
    ).rejects.toMatchObject({ code: 'BK002' })
  })

  it('refuses an unfenced append once a partition has an owner', async () => {
    const fence = await log.acquireFence('held', 0, 'engine')
    await expect(log.append('held', [{ ...record('k', 'x'), partition: 0 }])).rejects.toThrow(FencedError)
    await log.append('held', [record('k', 'mine')], { fence })
    await log.append('held', [{ ...record('k', 'free'), partition: 1 }])
    expect(values(await readAll(log, 'held', 0))).toEqual(['mine'])
  })

  it('wakes waiting readers by a notification, well before the poll', async () => {
    const reader = fixture.log('order')
    const latencies: number[] = []
    let position = 0n
    for (let i = 0; i < 12; i += 1) {
      const waiting = reader.read('waits', 0, position, { waitMs: 10_000 })
      await log.append('waits', [record('k', `${i}`)])
      const appendedMs = performance.now()
      position = (await waiting).nextOffset
      latencies.push(performance.now() - appendedMs)
    }
    latencies.sort((a, b) => a - b)
    expect(latencies[5]).toBeLessThan(100)
  })

  it('prunes old records of topics that are not kept, and readers go on', async () => {
    const owner = fixture.database.of(eventLogSchema)
    await log.append('ticks', [record('k', '1'), record('k', '2')])
    await log.append('kept', [{ ...record('k', '1'), partition: 0 }])
    const cut = new Date(
      (await fixture.run<{ now: Date }>(owner.ownerUrl, 'select clock_timestamp() as now'))[0]!.now.getTime() + 2,
    )
    await waitFor(() => Date.now() > cut.getTime() + 5)
    await log.append('ticks', [record('k', '3')])
    const ownerDb = {
      query: (sql: unknown, params?: unknown[]) =>
        fixture.run(owner.ownerUrl, String(sql), params).then((rows) => ({ rows })),
    }
    expect(await pruneTopics(ownerDb as never, { olderThan: cut, topics: ownTopics })).toBe(2)
    expect(values((await log.read('ticks', 0, 0n)).records)).toEqual(['3'])
    expect((await readAll(log, 'kept', 0)).length).toBeGreaterThan(0)
    await expect(fixture.run(owner.ownerUrl, `select event_log.prune_records('kept', now(), 10)`)).rejects.toThrow(
      'is kept',
    )
  })

  it('adds partitions to a topic that is in use', async () => {
    await fixture.sync({ ...ownTopics, ticks: spec(3, false) })
    const fresh = fixture.log('order')
    expect(await fresh.partitions('ticks')).toBe(3)
    await fresh.append('ticks', [{ ...record('k', 'third'), partition: 2 }])
    expect(values(await readAll(fresh, 'ticks', 2))).toEqual(['third'])
  })

  it('takes partitions over when the session of their owner ends', async () => {
    const { adminUrl, name } = fixture.database
    const owners: string[] = []
    const join = (on: EventLog, who: string) =>
      on.subscribe('failover', ['kept'], { position: async () => 0n, onRecords: async () => void owners.push(who) })
    const first = await join(fixture.log('order'), 'first')
    expect(first.assigned()).toHaveLength(2)
    const second = await join(fixture.log('order'), 'second')
    expect(second.assigned()).toHaveLength(0)
    const startedMs = performance.now()
    await fixture.run(
      adminUrl,
      `select pg_terminate_backend(l.pid) from pg_locks l join pg_database d on d.oid = l.database
       where l.locktype = 'advisory' and d.datname = $1`,
      [name],
    )
    await waitFor(() => first.assigned().length + second.assigned().length === 2 && owners.length >= 2)
    expect(performance.now() - startedMs).toBeLessThan(20_000)
    await Promise.all([first.close(), second.close()])
  })
})
