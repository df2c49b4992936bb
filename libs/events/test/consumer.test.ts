import { DomainError, silentLogger } from '@bitka/kernel'
import type { Db, Tx } from '@bitka/store'
import { waitFor } from '@bitka/testkit'
import { Registry } from 'prom-client'
import {
  type Consumer,
  type ConsumerOptions,
  dropDeadLetter,
  type EventLog,
  listDeadLetters,
  listStopped,
  replayDeadLetter,
  type StoredRecord,
  startConsumer,
} from '../src/index.ts'
import { record, values } from './conformance.ts'
import { applyEffects, effectsTable } from './effects.ts'
import { type EventsFixture, eventsFixture } from './fixture.ts'

const topic = 'trading.orders.commands'
const group = 'matching.test'

describe('a consumer', () => {
  let fixture: EventsFixture
  let producer: EventLog
  let db: Db
  const consumers: Consumer[] = []
  /** Values that the handler refuses, and with what. */
  const refused = new Map<string, Error>()
  let attempts: string[]

  const handle = async (tx: Tx, records: StoredRecord[]): Promise<void> => {
    attempts.push(values(records).join(','))
    await applyEffects(tx, records)
    for (const value of values(records)) {
      const error = refused.get(value)
      if (error) throw error
    }
  }
  const start = async (options: Partial<ConsumerOptions> = {}): Promise<Consumer> => {
    const log = options.log ?? fixture.log('matching')
    const consumer = await startConsumer({
      db,
      group,
      topics: [topic],
      ordered: false,
      handle,
      logger: silentLogger,
      retry: { attempts: 6, baseMs: 1, maxMs: 5 },
      ...options,
      log,
    })
    consumers.push(consumer)
    return consumer
  }
  const send = (...all: string[]) =>
    producer.append(
      topic,
      all.map((value) => ({ ...record('BTC-THB', value), partition: 0 })),
    )
  const effects = async (): Promise<string[]> =>
    (await db.query<{ value: string }>('select value from effects order by id')).rows.map(({ value }) => value)
  const applied = (...all: string[]) =>
    waitFor(async () => (await effects()).join() === all.join(), { what: all.join() })

  beforeEach(async () => {
    fixture = await eventsFixture(['order', 'matching'])
    const { ownerUrl, appRole } = fixture.database.of('matching')
    await fixture.run(
      ownerUrl,
      `set search_path = matching; ${effectsTable}; grant select, insert on effects to ${appRole}`,
    )
    producer = fixture.log('order')
    db = fixture.db('matching')
    refused.clear()
    attempts = []
  })
  afterEach(async () => {
    await Promise.all(consumers.splice(0).map((consumer) => consumer.stop()))
    await fixture.stop()
  })

  it('applies each record once, in order, and goes on where it stopped', async () => {
    const registry = new Registry()
    await send('1', '2', '3')
    const first = await start({ maxBatch: 2, metrics: registry })
    await applied('1', '2', '3')
    await waitFor(async () => /lag_records\{[^}]*partition="0"[^}]*\} 0/.test(await registry.metrics()))
    expect(first.status().healthy).toBe(true)
    await first.stop()
    await send('4')
    await start()
    await applied('1', '2', '3', '4')
  })

  it('shares a group: each record is applied by one of two members', async () => {
    await Promise.all([start(), start()])
    const all = Array.from({ length: 60 }, (_, i) => `${i}`)
    for (let i = 0; i < 60; i += 6) await send(...all.slice(i, i + 6))
    await applied(...all)
  })

  it('applies nothing twice when two members believe to own a partition', async () => {
    const options = { log: fixture.log('matching') }
    // Hides the lock: both get the partition, as when an owner does not know yet that its session ended.
    const careless: EventLog = {
      append: (...args) => options.log.append(...args),
      read: (...args) => options.log.read(...args),
      latestOffsets: (name) => options.log.latestOffsets(name),
      partitions: (name) => options.log.partitions(name),
      acquireFence: (...args) => options.log.acquireFence(...args),
      close: () => options.log.close(),
      subscribe: (_, topics, handler) => options.log.subscribe(`careless ${Math.random()}`, topics, handler),
    }
    await Promise.all([start({ log: careless }), start({ log: careless })])
    const all = Array.from({ length: 40 }, (_, i) => `${i}`)
    for (const value of all) await send(value)
    await applied(...all)
  })

  it('parks a record after six attempts and applies its neighbours', async () => {
    refused.set('bad', new Error('cannot be applied'))
    await send('1', '2', 'bad', '3', '4')
    const registry = new Registry()
    const consumer = await start({ metrics: registry })
    await applied('1', '2', '3', '4')
    expect(attempts.filter((each) => each === 'bad')).toHaveLength(6)
    const [letter, ...others] = await listDeadLetters(db)
    expect(others).toEqual([])
    expect(letter).toMatchObject({
      group,
      attempts: 6,
      error: 'Error: cannot be applied',
      record: { topic, partition: 0, key: 'BTC-THB' },
    })
    expect(values([letter!.record])).toEqual(['bad'])
    expect(consumer.status().healthy).toBe(true)
    expect(await registry.metrics()).toMatch(/bitka_dead_letters_total\{[^}]*\} 1/)
    const parked = () => registry.getSingleMetricAsString('bitka_dead_letters_parked')
    expect(await parked()).toContain(`{group="${group}"} 1`)
    await db.transaction((tx) => dropDeadLetter(tx, letter!.id))
    expect(await parked()).toContain(`{group="${group}"} 0`)
  })

  it('replays a parked record in a commit of its own, or drops it', async () => {
    refused.set('bad', new Error('no'))
    refused.set('worse', new Error('no'))
    await send('bad', 'worse')
    await start()
    const [bad, worse] = await waitFor(async () => {
      const letters = await listDeadLetters(db, { group })
      return letters.length === 2 && letters
    })
    await expect(db.transaction((tx) => replayDeadLetter(tx, bad!.id, handle))).rejects.toThrow('no')
    expect(await listDeadLetters(db)).toHaveLength(2)
    refused.clear()
    expect(await db.transaction((tx) => replayDeadLetter(tx, bad!.id, handle))).toBe(true)
    expect(await db.transaction((tx) => dropDeadLetter(tx, worse!.id))).toBe(true)
    expect(await db.transaction((tx) => dropDeadLetter(tx, worse!.id))).toBe(false)
    expect(await effects()).toEqual(['bad'])
    expect(await listDeadLetters(db)).toEqual([])
  })

  it('stops rather than lose a record when the dead letters are full', async () => {
    for (const value of ['bad 1', 'bad 2']) refused.set(value, new Error('no'))
    await send('bad 1', 'bad 2', 'good')
    const consumer = await start({ maxDeadLetters: 1, retryStoppedMs: 50 })
    await waitFor(() => !consumer.status().healthy)
    expect(consumer.status().partitions.find(({ partition }) => partition === 0)?.stopped?.error).toContain(
      'dead_letters',
    )
    const [letter] = await listDeadLetters(db)
    await db.transaction((tx) => dropDeadLetter(tx, letter!.id))
    await applied('good')
    await waitFor(() => consumer.status().healthy)
  })

  it('waits for its surroundings for ever, and counts no attempt', async () => {
    refused.set('1', new DomainError('unavailable', 'ledger is away'))
    await send('1')
    const consumer = await start({ retry: { attempts: 2, baseMs: 1, maxMs: 1 } })
    await waitFor(() => attempts.length > 3)
    expect(await listDeadLetters(db)).toEqual([])
    expect(consumer.status().partitions.find(({ partition }) => partition === 0)?.behindMs).toBeGreaterThan(0)
    refused.clear()
    await applied('1')
  })

  it('halves a batch that takes longer than a statement may', async () => {
    const sizes: number[] = []
    await send('1', '2', '3', '4', '5')
    await start({
      ordered: true,
      handle: async (tx, records) => {
        sizes.push(records.length)
        if (records.length > 1) {
          await tx.query("set local statement_timeout = '100ms'")
          await tx.query('select pg_sleep(10)')
        }
        await applyEffects(tx, records)
      },
    })
    await applied('1', '2', '3', '4', '5')
    expect(Math.max(...sizes)).toBe(5)
    // Each of the larger batches was tried once.
    expect(sizes.filter((size) => size > 1)).toEqual([5, 3, 2, 2])
  })

  it('waits for the transaction in progress when it stops', async () => {
    let release: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    await send('1')
    const consumer = await start({
      handle: async (tx, records) => {
        attempts.push('begun')
        await gate
        await applyEffects(tx, records)
      },
    })
    await waitFor(() => attempts.length === 1)
    const stopping = consumer.stop()
    release()
    await stopping
    expect(await effects()).toEqual(['1'])
  })

  describe('that keeps the order', () => {
    it('stops its partition at the record, says so, and leaves the other partitions alone', async () => {
      refused.set('bad', new Error('a gap'))
      const [, place] = await send('1', 'bad', '2')
      const consumer = await start({ ordered: true })
      await waitFor(() => !consumer.status().healthy)
      await producer.append(topic, [{ ...record('ETH-THB', 'elsewhere'), partition: 1 }])
      await applied('1', 'elsewhere')
      expect(consumer.status().partitions.find(({ stopped }) => stopped)).toMatchObject({
        partition: 0,
        stopped: { offset: place?.offset, error: 'Error: a gap' },
      })
      expect(await listDeadLetters(db)).toEqual([])
      expect(await waitFor(async () => (await listStopped(db))[0])).toMatchObject({
        group,
        topic,
        partition: 0,
        offset: place?.offset,
      })
    })

    it('goes on by itself once the cause is repaired', async () => {
      refused.set('bad', new Error('no'))
      await send('bad', '2')
      const consumer = await start({ ordered: true, retryStoppedMs: 30 })
      await waitFor(() => !consumer.status().healthy)
      refused.clear()
      await applied('bad', '2')
      await waitFor(() => consumer.status().healthy)
      expect(await listStopped(db)).toEqual([])
    })

    it('passes exactly the stopped record on command, from any process, with the audit in that commit', async () => {
      refused.set('bad', new Error('no'))
      const [, place] = await send('1', 'bad', '2')
      const owner = await start({ ordered: true })
      await waitFor(async () => (await listStopped(db)).length === 1)
      const other = await start({ ordered: true })
      const audit = (tx: Tx) => tx.query(`insert into effects (value) values ('audited')`).then(() => undefined)
      await expect(other.skip(topic, 0, place!.offset + 1n, audit)).rejects.toMatchObject({ kind: 'conflict' })
      await expect(other.skip(topic, 0, place!.offset, () => Promise.reject(new Error('no audit')))).rejects.toThrow(
        'no audit',
      )
      await other.skip(topic, 0, place!.offset, audit)
      await applied('1', 'audited', '2')
      await waitFor(() => owner.status().healthy)
      await expect(other.skip(topic, 0, place!.offset, audit)).rejects.toMatchObject({ kind: 'conflict' })
    })
  })
})
