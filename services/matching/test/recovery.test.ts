import { type EventLog, FencedError } from '@bitka/events'
import { waitFor } from '@bitka/testkit'
import { RESULTS } from '../src/events/topics.ts'
import { Trader } from './command-records.ts'
import { type Exchange, hashOf, startExchange, stopOf } from './exchange.ts'
import { numbered, stepsFrom } from './random-commands.ts'

let exchange: Exchange
beforeEach(async () => {
  exchange = await startExchange()
})
afterEach(() => exchange.stop())

const snapshots = async () => {
  const { rows } = await exchange.platform
    .db('matching')
    .query<{ symbol: string; command_seq: bigint }>('select symbol, command_seq from snapshots order by 1, 2')
  return rows.map((row) => `${row.symbol} ${row.command_seq}`)
}

/** Changes rows that no service may change. */
const tamper = async (sql: string, params: unknown[] = []) => {
  const { rowCount } = await exchange.admin.query(sql, params)
  expect(rowCount).toBeGreaterThan(0)
}
const resultsTopic = `topic_id = (select id from event_log.topics where name = '${RESULTS}')`

it('gives for any commands what the engine alone gives', async () => {
  const words = Uint32Array.from({ length: 600 }, (_, index) => index * 7_919 + 3)
  const trader = new Trader('AAA-BBB')
  const steps = stepsFrom(words).map((step) => {
    // On the wire there is no negative quantity, and what cannot be read says neither its time nor its user.
    if (step.kind === 'reject') return { ...step, timeMs: 0, userId: '' }
    return step.kind === 'new_order' ? { ...step, quantityLots: Math.max(0, step.quantityLots) } : step
  })
  trader.commands.splice(0, 1, ...numbered(steps))
  exchange.run()
  await exchange.send(trader)
  await exchange.settled(trader)
})

it('hands the trace of a command on to its results, and neither bytes nor state know of it', async () => {
  const trader = new Trader('AAA-BBB').orders(20)
  const records = trader.take()
  const traceOf = (seq: string | undefined) => `00-${String(seq).padStart(32, '7')}-${String(seq).padStart(16, '7')}-01`
  const traced = records.map((record) => ({
    ...record,
    headers: { ...record.headers, traceparent: traceOf(record.headers.command_seq) },
  }))
  const runner = exchange.run()
  await exchange.append(trader.partition, traced)
  // Compares the bytes with those of an engine that was told of no trace.
  await exchange.settled(trader)
  expect(await hashOf(runner, 'AAA-BBB')).toBe(trader.engine().stateHash())
  for (const { headers } of await exchange.results()) expect(headers.traceparent).toBe(traceOf(headers.command_seq))
  await runner.stop()
  // A replay compares what it makes again with what is there.
  await tamper('delete from matching.snapshots')
  const again = exchange.run()
  expect(await hashOf(again, 'AAA-BBB')).toBe(trader.engine().stateHash())
  await exchange.settled(trader)
})

it('takes up where it stopped: from a snapshot, from an older one, or from the beginning', async () => {
  const [first, second] = [new Trader('AAA-BBB').orders(30), new Trader('CCC-DDD').orders(5)]
  for (let round = 0; round < 5; round += 1) {
    const runner = exchange.run()
    await exchange.send(first.orders(10))
    if (round === 1) await exchange.send(second)
    await exchange.settled(first)
    if (round >= 1) await exchange.settled(second)
    await waitFor(() => runner.market('AAA-BBB').market.engine.lastSeq === first.commands.length)
    await runner.stop()
  }
  // The last three of the busy market; the idle one was not written again.
  expect(await snapshots()).toEqual(['AAA-BBB 61', 'AAA-BBB 71', 'AAA-BBB 81', 'CCC-DDD 6'])
  const check = async () => {
    const runner = exchange.run()
    expect(await hashOf(runner, 'AAA-BBB')).toBe(first.engine().stateHash())
    expect(await hashOf(runner, 'CCC-DDD')).toBe(second.engine().stateHash())
    await exchange.settled(first, second)
    return runner
  }
  const broken = `update matching.snapshots set state = set_byte(state, 40, 7)`
  await tamper(`${broken} where command_seq = 81`)
  await (await check()).stop()
  // Nothing new came, so nothing was stored over the broken one.
  await tamper(broken)
  const runner = await check()
  await exchange.send(first.orders(1))
  await exchange.settled(first)
  await runner.stop()
  expect(await snapshots()).toEqual(['AAA-BBB 71', 'AAA-BBB 81', 'AAA-BBB 82', 'CCC-DDD 6'])
  const last = await check()
  expect(last.market('CCC-DDD').market.restoredSeq).toBe(6)
  expect(last.market('AAA-BBB').market.restoredSeq).toBe(82)
})

it('stores snapshots while it works, and replays only what came after', async () => {
  const runner = exchange.run({ snapshotEvery: 20 })
  const trader = new Trader('AAA-BBB').orders(49)
  await exchange.send(trader)
  await waitFor(async () => (await snapshots()).includes('AAA-BBB 50'))
  await exchange.send(trader.orders(10))
  await exchange.settled(trader)
  await runner.stop()
  expect(await snapshots()).toEqual(['AAA-BBB 50', 'AAA-BBB 60'])
  // Records before the snapshot are not looked at again.
  await tamper(`update event_log.records set value = 'x' where ${resultsTopic} and record_offset < 59`)
  const next = exchange.run()
  expect(await hashOf(next, 'AAA-BBB')).toBe(trader.engine().stateHash())
  expect(next.market('AAA-BBB').market.stoppedReason).toBe('')
})

it.each([
  [
    'a result is changed',
    `update event_log.records set value = value || 'x' where ${resultsTopic} and record_offset = 7`,
    8,
  ],
  ['a result is missing before others', `delete from event_log.records where ${resultsTopic} and record_offset = 7`, 8],
])('stops a market when %s, and appends nothing for it', async (_, sql, seq) => {
  const [trader, other] = [new Trader('AAA-BBB').orders(20), new Trader('CCC-DDD')]
  const runner = exchange.run()
  await exchange.send(trader)
  await exchange.settled(trader)
  await exchange.send(other)
  await exchange.settled(other)
  await runner.stop()
  await tamper('delete from matching.snapshots')
  await tamper(sql)
  const before = await exchange.results()
  const next = exchange.run()
  await exchange.send(trader.orders(5), other.orders(5))
  expect(await stopOf(next, 'AAA-BBB')).toBe(`the log holds other results of command ${seq} than a replay gives`)
  // The market beside it goes on.
  await exchange.settled(other)
  expect(await exchange.results()).toHaveLength(before.length + 5)
  await next.stop()
  expect(await snapshots()).toEqual([])
})

it('stops a market whose results go further than its commands', async () => {
  const trader = new Trader('AAA-BBB').orders(3)
  const log = exchange.platform.eventLog('matching')
  const fence = await log.acquireFence(RESULTS, 0, 'somebody')
  await log.append(RESULTS, trader.expected(), { fence })
  await exchange.append(0, trader.take().slice(0, 2))
  const runner = exchange.run()
  expect(await stopOf(runner, 'AAA-BBB')).toBe('the log holds results of commands that it does not hold')
})

it('appends only what an owner before it did not append any more', async () => {
  const trader = new Trader('AAA-BBB').orders(10)
  const log = exchange.platform.eventLog('matching')
  const fence = await log.acquireFence(RESULTS, 0, 'somebody')
  await log.append(RESULTS, trader.expected().slice(0, 4), { fence })
  await exchange.send(trader)
  exchange.run()
  await exchange.settled(trader)
})

it('appends nothing when there is a newer owner, gives up, and comes back', async () => {
  const runner = exchange.run()
  const trader = new Trader('AAA-BBB').orders(3)
  await exchange.send(trader)
  await exchange.settled(trader)
  const log = exchange.platform.eventLog('matching')
  const fence = await log.acquireFence(RESULTS, 0, 'a newer owner')
  const done = (await exchange.results()).length
  await exchange.send(trader.orders(3))
  await waitFor(() => runner.owned().size === 0)
  expect(await exchange.results()).toHaveLength(done)
  // The newer owner works, until the first one takes the partition over again, which it leaves alone for a while.
  const late = log.append(RESULTS, trader.expected().slice(done, done + 1), { fence })
  // On a busy machine the first one may be back before that; then it is the one to append.
  await late.catch((error: unknown) => expect(error).toBeInstanceOf(FencedError))
  await exchange.settled(trader)
  await expect(log.append(RESULTS, trader.expected(), { fence })).rejects.toThrow(FencedError)
  expect(await snapshots()).toEqual([])
})

it('leaves the log to the newer of two owners that both believe to own the partition', async () => {
  const trader = new Trader('AAA-BBB').orders(3)
  const first = exchange.run()
  await exchange.send(trader)
  await exchange.settled(trader)
  // A log that gives a partition away which another process still has.
  const real = exchange.platform.eventLog('matching')
  const careless: EventLog = Object.create(real, {
    subscribe: { value: (_: string, topics: string[], handler: never) => real.subscribe('careless', topics, handler) },
  })
  const second = exchange.run({ log: careless })
  await hashOf(second, 'AAA-BBB')
  for (let round = 0; round < 5; round += 1) {
    await exchange.send(trader.orders(4))
    await exchange.settled(trader)
  }
  await Promise.all([first.stop(), second.stop()])
  await exchange.settled(trader)
})

it('goes on by itself after the database was away', async () => {
  const runner = exchange.run()
  const trader = new Trader('AAA-BBB').orders(3)
  await exchange.send(trader)
  await exchange.settled(trader)
  await exchange.admin.query(`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and usename = 'matching_app'`)
  await exchange.send(trader.orders(20))
  await exchange.settled(trader)
  expect(await hashOf(runner, 'AAA-BBB')).toBe(trader.engine().stateHash())
})
