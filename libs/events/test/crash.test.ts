import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { silentLogger } from '@bitka/kernel'
import { waitFor } from '@bitka/testkit'
import { appendOutbox, startConsumer, startRelay } from '../src/index.ts'
import { readAll, record, values } from './conformance.ts'
import { applyEffects, effectsTable } from './effects.ts'
import { type EventsFixture, eventsFixture } from './fixture.ts'

const topic = 'trading.orders.commands'
const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`)

/** Runs a process that kills itself at the crash point; answers the signal it died of. */
function dieAt(point: string, args: string[]): Promise<string | null> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', '-C', '@bitka/source', fileURLToPath(new URL('crash-child.ts', import.meta.url)), ...args],
    { env: { ...process.env, NODE_OPTIONS: '', BITKA_CRASH_POINT: point }, stdio: ['ignore', 'inherit', 'inherit'] },
  )
  return new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)))
}

describe('a process that dies', () => {
  let fixture: EventsFixture
  beforeEach(async () => {
    fixture = await eventsFixture(['order', 'matching'])
    const { ownerUrl, appRole } = fixture.database.of('matching')
    await fixture.run(
      ownerUrl,
      `set search_path = matching; ${effectsTable}; grant select, insert on effects to ${appRole}`,
    )
  })
  afterEach(() => fixture.stop())

  it.each([
    ['order/relay.after-append', true],
    ['relay.after-append@3', true],
    ['relay.after-mark@2', false],
  ])('as relay at %s loses nothing, and keeps the order', async (point, duplicates) => {
    const db = fixture.db('order')
    await db.transaction((tx) =>
      appendOutbox(
        tx,
        numbers(50).map((n) => ({ topic, key: 'BTC-THB', partition: 1, type: 'test', value: Buffer.from(n) })),
      ),
    )
    const { appUrl, schema } = fixture.database.of('order')
    expect(await dieAt(point, ['relay', appUrl, schema])).toBe('SIGKILL')
    const log = fixture.log('order')
    const relay = await startRelay({ db, log, logger: silentLogger, service: 'order' })
    await waitFor(async () => (await db.query('select from outbox where sent_at is null')).rowCount === 0)
    await relay.stop()
    const found = await readAll(log, topic, 1)
    const ids = found.map(({ headers }) => headers['event-id'])
    expect(found.length > 50).toBe(duplicates)
    expect(new Set(ids).size).toBe(50)
    // A consumer that passes over what it has seen, as all of ours do, sees the order kept.
    expect(values(found.filter((_, i) => ids.indexOf(ids[i]) === i))).toEqual(numbers(50))
  })

  it.each(['matching.effects/consumer.before-commit@2', 'consumer.after-commit@2'])(
    'as consumer at %s applies each record once',
    async (point) => {
      const log = fixture.log('order')
      await log.append(
        topic,
        numbers(40).map((n) => ({ ...record('BTC-THB', n), partition: 2 })),
      )
      const { appUrl, schema } = fixture.database.of('matching')
      expect(await dieAt(point, ['consumer', appUrl, schema])).toBe('SIGKILL')
      const db = fixture.db('matching')
      const before = await db.query('select from effects')
      expect(before.rowCount).toBe(point.includes('after') ? 14 : 7)
      const consumer = await startConsumer({
        log: fixture.log('matching'),
        db,
        group: 'matching.effects',
        topics: [topic],
        ordered: true,
        handle: applyEffects,
        logger: silentLogger,
      })
      await waitFor(async () => ((await db.query('select from effects')).rowCount ?? 0) >= 40)
      await consumer.stop()
      const { rows } = await db.query<{ value: string }>('select value from effects order by id')
      expect(rows.map(({ value }) => value)).toEqual(numbers(40))
    },
  )
})
