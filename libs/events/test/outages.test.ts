import { DomainError, silentLogger } from '@bitka/kernel'
import type { Db, Tx } from '@bitka/store'
import { waitFor } from '@bitka/testkit'
import { type Consumer, listDeadLetters, type StoredRecord, startConsumer } from '../src/index.ts'
import { record, values } from './conformance.ts'
import { applyEffects, effectsTable } from './effects.ts'
import { type EventsFixture, eventsFixture } from './fixture.ts'

const topic = 'trading.orders.commands'

describe('a database that goes away in the middle of a commit', () => {
  let fixture: EventsFixture
  let db: Db
  let consumer: Consumer | undefined
  let commits = 0

  const start = async (options: {
    ordered: boolean
    /** What the n-th commit does after, or instead of, its own. */
    fault: (n: number, commit: () => Promise<unknown>) => Promise<unknown>
    handle?: (tx: Tx, records: StoredRecord[]) => Promise<void>
  }) => {
    const faulty = {
      ...db,
      transaction: (fn: (tx: Tx) => Promise<unknown>) => {
        commits += 1
        return options.fault(commits, () => db.transaction(fn))
      },
    } as Db
    consumer = await startConsumer({
      log: fixture.log('matching'),
      db: faulty,
      group: 'matching.test',
      topics: [topic],
      ordered: options.ordered,
      handle: options.handle ?? applyEffects,
      logger: silentLogger,
      retry: { attempts: 2, baseMs: 1, maxMs: 1 },
    })
  }
  const effects = async () =>
    (await db.query<{ value: string }>('select value from effects order by id')).rows.map(({ value }) => value)
  const lost = () => new DomainError('unavailable', 'The connection was lost.')

  beforeEach(async () => {
    fixture = await eventsFixture(['order', 'matching'])
    const { ownerUrl, appRole } = fixture.database.of('matching')
    await fixture.run(
      ownerUrl,
      `set search_path = matching; ${effectsTable}; grant select, insert on effects to ${appRole}`,
    )
    db = fixture.db('matching')
    commits = 0
    await fixture.log('order').append(
      topic,
      ['1', '2', '3'].map((value) => ({ ...record('BTC-THB', value), partition: 0 })),
    )
  })
  afterEach(async () => {
    await consumer?.stop()
    consumer = undefined
    await fixture.stop()
  })

  it.each([true, false])(
    'applies once what was committed although nobody heard of it (ordered: %s)',
    async (ordered) => {
      await start({
        ordered,
        fault: async (n, commit) => {
          const done = await commit()
          if (n === 1) throw lost()
          return done
        },
      })
      await fixture.log('order').append(topic, [{ ...record('BTC-THB', '4'), partition: 0 }])
      await waitFor(async () => (await effects()).length >= 4)
      expect(await effects()).toEqual(['1', '2', '3', '4'])
    },
  )

  it('applies again what was rolled back with its connection', async () => {
    let cut = false
    await start({
      ordered: true,
      fault: (_, commit) => commit(),
      handle: async (tx, records) => {
        await applyEffects(tx, records)
        if (cut) return
        cut = true
        const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
        await fixture.run(fixture.database.adminUrl, 'select pg_terminate_backend($1)', [rows[0]?.pid])
      },
    })
    await waitFor(async () => (await effects()).length >= 3)
    expect(await effects()).toEqual(['1', '2', '3'])
  })

  it('parks a record once the database is back, and does not stop for it', async () => {
    await start({
      ordered: false,
      handle: async (tx, records) => {
        await applyEffects(tx, records)
        if (values(records).includes('2')) throw new Error('cannot be applied')
      },
      // All together, 1 and 2, 1, 2, 2 again: the sixth is where 2 is parked.
      fault: (n, commit) => (n === 6 ? Promise.reject(lost()) : commit()),
    })
    await waitFor(async () => (await effects()).length >= 2)
    expect(await effects()).toEqual(['1', '3'])
    expect(await listDeadLetters(db)).toMatchObject([{ attempts: 2 }])
    expect(commits).toBeGreaterThan(6)
    expect(consumer?.status().healthy).toBe(true)
  })
})
