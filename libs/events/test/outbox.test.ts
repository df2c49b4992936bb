import { silentLogger } from '@bitka/kernel'
import type { Db } from '@bitka/store'
import { waitFor } from '@bitka/testkit'
import { Registry } from 'prom-client'
import {
  appendOutbox,
  type EventLog,
  type OutboxRecord,
  purgeOutbox,
  type Relay,
  type RelayOptions,
  readLast,
  startRelay,
} from '../src/index.ts'
import { readAll, values } from './conformance.ts'
import { type EventsFixture, eventsFixture } from './fixture.ts'

const commands = 'trading.orders.commands'
const event = (value: string, over: Partial<OutboxRecord> = {}): OutboxRecord => ({
  topic: commands,
  key: 'BTC-THB',
  partition: 0,
  type: 'bitka.events.v1.Test',
  value: Buffer.from(value),
  ...over,
})

describe('the outbox and its relay', () => {
  let fixture: EventsFixture
  let db: Db
  let log: EventLog
  const relays: Relay[] = []
  const start = async (options: Partial<RelayOptions> = {}): Promise<Relay> => {
    const relay = await startRelay({ db, log, logger: silentLogger, service: 'order', ...options })
    relays.push(relay)
    return relay
  }
  const write = (...events: OutboxRecord[]): Promise<void> => db.transaction((tx) => appendOutbox(tx, events))
  const sent = async (topic = commands): Promise<string[]> => values(await readAll(log, topic, 0))

  beforeEach(async () => {
    fixture = await eventsFixture(['order'])
    db = fixture.db('order')
    log = fixture.log('order')
  })
  afterEach(async () => {
    await Promise.all(relays.splice(0).map((relay) => relay.stop()))
    await fixture.stop()
  })

  it('sends what a commit wrote, at once, with its headers', async () => {
    const relay = await start({ intervalMs: 600_000 })
    await waitFor(() => relay.isLeader())
    await write(event('a', { traceparent: '00-abc', headers: { command_seq: '1' } }), event('', { key: 'é' }))
    const records = await waitFor(async () => {
      const found = await readAll(log, commands, 0)
      return found.length === 2 && found
    })
    expect(records[0]?.headers).toEqual({
      command_seq: '1',
      'event-id': expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      type: 'bitka.events.v1.Test',
      producer: 'order',
      traceparent: '00-abc',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    })
    expect(records[1]?.key).toBe('é')
  })

  it('sends nothing of a transaction that is rolled back', async () => {
    await start({ intervalMs: 20 })
    const failed = db.transaction(async (tx) => {
      await appendOutbox(tx, [event('never')])
      throw new Error('no')
    })
    await expect(failed).rejects.toThrow('no')
    await write(event('after'))
    await waitFor(async () => (await sent()).length > 0)
    expect(await sent()).toEqual(['after'])
  })

  it('sends a row that is committed after rows with higher ids', async () => {
    await start({ intervalMs: 20 })
    await db.transaction(async (slow) => {
      await appendOutbox(slow, [event('low id, late commit')])
      await write(event('high id, early commit'))
      await waitFor(async () => (await sent()).length === 1)
    })
    await waitFor(async () => (await sent()).length === 2)
    expect(await sent()).toEqual(['high id, early commit', 'low id, late commit'])
  })

  it('keeps the order of many rows over many rounds', async () => {
    await start({ batch: 50 })
    const all = Array.from({ length: 600 }, (_, i) => `${i}`)
    await write(...all.slice(0, 400).map((n) => event(n)))
    for (const n of all.slice(400, 420)) await write(event(n))
    await write(...all.slice(420).map((n) => event(n)))
    await waitFor(async () => (await sent()).length === 600)
    expect(await sent()).toEqual(all)
  })

  it('has one relay at a time, and another takes over', async () => {
    const first = await start({ intervalMs: 20 })
    await waitFor(() => first.isLeader())
    const second = await start({ intervalMs: 20 })
    await write(event('1'))
    await waitFor(async () => (await sent()).length === 1)
    expect(second.isLeader()).toBe(false)
    await first.stop()
    await waitFor(() => second.isLeader())
    await write(event('2'))
    await waitFor(async () => (await sent()).length === 2)
  })

  it('goes on when its database connection is cut', async () => {
    const relay = await start({ intervalMs: 20 })
    await waitFor(() => relay.isLeader())
    await fixture.run(
      fixture.database.adminUrl,
      `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'order_app' and datname = current_database()`,
    )
    await waitFor(() => write(event('still')).then(() => true))
    await waitFor(async () => (await sent()).length >= 1)
  })

  it('is not held up by a topic that refuses, and says how long that waits', async () => {
    const registry = new Registry()
    const relay = await start({ intervalMs: 20, metrics: registry })
    const standby = await start({ intervalMs: 20 })
    await write(event('foreign', { topic: 'identity.user.login' }), event('own'))
    await waitFor(async () => (await sent()).length === 1)
    await waitFor(() => relay.oldestUnsentAgeMs('identity.user.login') > 50)
    await waitFor(() => standby.oldestUnsentAgeMs('identity.user.login') > 50)
    await write(event('later'))
    await waitFor(async () => (await sent()).length === 2)
    await waitFor(() => relay.oldestUnsentAgeMs(commands) === 0)
    expect(await registry.metrics()).toMatch(
      /bitka_outbox_unsent_age_ms\{service="order",topic="identity.user.login"\} [1-9]/,
    )
    // What is in the log is marked as sent a moment later.
    await waitFor(async () => (await db.query('select from outbox where sent_at is null')).rowCount === 1)
  })

  it('lets the service compare with the log before it sends, and resend what the log lost', async () => {
    await write(...['1', '2', '3'].map((n) => event(n, { headers: { command_seq: n } })))
    await db.query('update outbox set sent_at = now()')
    await log.append(commands, [
      { key: 'BTC-THB', headers: { command_seq: '1' }, value: Buffer.from('1'), partition: 0 },
    ])
    await start({
      beforeFirstRun: async ({ query, log: theLog }) => {
        const [last] = await readLast(theLog, commands, 0, 1)
        await query.query(
          `update outbox set sent_at = null where topic = $1 and (headers->>'command_seq')::bigint > $2::bigint`,
          [commands, last?.headers.command_seq],
        )
      },
    })
    await waitFor(async () => (await sent()).length === 3)
    expect(await sent()).toEqual(['1', '2', '3'])
  })

  it('keeps sent rows until they are purged', async () => {
    await start({ intervalMs: 20 })
    await write(event('1'), event('2'))
    await waitFor(async () => (await db.query('select from outbox where sent_at is not null')).rowCount === 2)
    expect(await purgeOutbox(db, { sentBefore: new Date(Date.now() - 60_000) })).toBe(0)
    expect(await purgeOutbox(db, { sentBefore: new Date(Date.now() + 60_000), maxRows: 1 })).toBe(1)
    expect((await db.query('select from outbox')).rowCount).toBe(1)
  })

  it('answers the last records of a partition', async () => {
    expect(await readLast(log, commands, 0, 5)).toEqual([])
    for (let i = 0; i < 7; i += 1) await log.append(commands, [{ ...event(`${i}`), headers: {} }])
    expect(values(await readLast(log, commands, 0, 3))).toEqual(['4', '5', '6'])
    expect(values(await readLast(log, commands, 0, 50))).toHaveLength(7)
  })
})
