import { newId, silentLogger } from '@bitka/kernel'
import { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { openDb } from '@bitka/store'
import { waitFor } from '@bitka/testkit'
import { startOrder } from '../src/service.ts'
import { purgeEvents } from '../src/store/outbox.ts'
import { Harness, keyed, limitBuy, type Person, refusal, SELL } from './harness.ts'

let h: Harness
let alice: Person
beforeAll(async () => {
  h = await Harness.open()
  await h.market()
})
afterAll(() => h?.close())
beforeEach(async () => {
  h.ledger.breaks = undefined
  alice = await h.person()
})

/** An order that was stored and then left: its service died, or the ledger was away. */
async function left(breaks: 'before' | 'after', key = newId()): Promise<string> {
  h.ledger.breaks = breaks
  expect(await refusal(h.client.createOrder({ ...limitBuy, clientOrderId: key }, keyed(alice, key)))).toBe(
    'unavailable',
  )
  const { rows } = await h.db.query<{ id: string; state: string }>(
    'select id, state from orders where user_id = $1 order by id desc limit 1',
    [alice.userId],
  )
  expect(rows[0]?.state).toBe('pending')
  return rows[0]?.id ?? ''
}

it.each(['before', 'after'] as const)('completes an order that was left %s its funds were held', async (breaks) => {
  const orderId = await left(breaks)
  h.ledger.breaks = undefined
  h.clock.advance(6_000)
  await h.engine.commandOf(orderId)
  expect(await h.state(orderId)).toBe('submitted')
  expect(h.ledger.heldFor(orderId)).toBe(5_000_000n)
})

it.each(['before', 'after'] as const)(
  'kills an order that was left %s its funds were held for too long',
  async (breaks) => {
    const key = newId()
    const orderId = await left(breaks, key)
    h.clock.advance(31_000)
    h.ledger.breaks = undefined
    await waitFor(async () => (await h.state(orderId)) === 'dead')
    await waitFor(() => h.ledger.holds.get(orderId)?.released)
    expect(h.ledger.heldFor(orderId)).toBe(0n)
    expect(h.engine.commands.some(({ body }) => body.case === 'newOrder' && body.value.orderId === orderId)).toBe(false)
    expect(await refusal(h.client.getOrder({ orderId }, alice.as))).toBe('not_found')
    // It never was: key and name are free.
    const again = await h.client.createOrder({ ...limitBuy, clientOrderId: key }, keyed(alice, key))
    expect(again.orderId).not.toBe(orderId)
  },
)

it('ends an order whose funds are gone when its time comes, and remembers that', async () => {
  const poor = await h.person(['user'], 0n)
  h.ledger.breaks = 'before'
  expect(await refusal(h.client.createOrder(limitBuy, keyed(poor, 'k')))).toBe('unavailable')
  h.ledger.breaks = undefined
  h.clock.advance(6_000)
  await waitFor(async () => (await refusal(h.client.createOrder(limitBuy, keyed(poor, 'k')))) === 'insufficient_funds')
})

it('lets two processes place under one key, and sweep side by side, with one order each', async () => {
  const env = h.platform.env('order', { BITKA_ORDER_SWEEP_MS: '20' })
  const second = await startOrder(env, { clock: h.clock, log: silentLogger })
  try {
    const target = { service: 'order' as const, port: second.port }
    const other = await h.platform.client(OrderService, 'gateway', target)
    const answers = await Promise.all(
      [...Array(20).keys()].map((n) => (n % 2 ? other : h.client).createOrder(limitBuy, keyed(alice, 'same'))),
    )
    expect(new Set(answers.map(({ orderId }) => orderId)).size).toBe(1)
    h.ledger.breaks = 'after'
    const sell = { ...limitBuy, side: SELL }
    await Promise.all([...Array(20).keys()].map((n) => refusal((n % 2 ? other : h.client).createOrder(sell, alice.as))))
    h.ledger.breaks = undefined
    h.clock.advance(6_000)
    const states = async () => {
      const { rows } = await h.db.query<{ state: string; count: bigint }>(
        'select state, count(*) as count from orders where user_id = $1 group by state',
        [alice.userId],
      )
      return rows.map(({ state, count }) => [state, Number(count)])
    }
    await waitFor(async () => (await states()).length === 1)
    expect(await states()).toEqual([['submitted', 21]])
    const { rows } = await h.db.query<{ next: bigint }>('select next_command_seq as next from markets')
    await waitFor(() => h.engine.commands.length === Number(rows[0]?.next) - 1)
  } finally {
    await second.stop()
  }
})

it('keeps every command that was sent, of which a lost log is made again, and forgets other events', async () => {
  await h.client.createOrder(limitBuy, alice.as)
  const unsent = async () => (await h.db.query('select from outbox where sent_at is null')).rowCount
  await waitFor(async () => (await unsent()) === 0)
  const count = async () => {
    const { rows } = await h.db.query<{ commands: number; others: number }>(
      `select count(*) filter (where topic = 'trading.orders.commands')::int as commands,
         count(*) filter (where topic <> 'trading.orders.commands')::int as others from outbox`,
    )
    return rows[0]
  }
  const before = await count()
  expect(before?.commands).toBeGreaterThan(0)
  expect(before?.others).toBeGreaterThan(0)
  expect(await purgeEvents(h.db, new Date(Date.now() + 60_000))).toBe(before?.others)
  expect(await count()).toEqual({ commands: before?.commands, others: 0 })
})

it('sends again what the log lost', async () => {
  const { orderId } = await h.client.createOrder(limitBuy, alice.as)
  const { commandSeq } = await h.engine.commandOf(orderId)
  await h.stop()
  // The log as it was before the last command: restored from an older copy.
  const own = h.platform.database.of('event_log')
  await h.engine.stop()
  await deleteLast(own.ownerUrl, commandSeq)
  await h.start()
  const log = h.platform.eventLog('matching')
  await waitFor(async () => {
    const ends = await Promise.all(
      [0, 1, 2, 3].map((partition) => log.read('trading.orders.commands', partition, 0n, { maxRecords: 1_000 })),
    )
    return ends.some(({ records }) => records.some(({ headers }) => headers.order_id === orderId))
  })
})

it('sends nothing, and takes no more orders, where the log has commands that the database does not know', async () => {
  const log = h.platform.eventLog('matching')
  const sent = async (): Promise<string[]> => {
    const pages = await Promise.all(
      [0, 1, 2, 3].map((partition) => log.read('trading.orders.commands', partition, 0n, { maxRecords: 1_000 })),
    )
    return pages.flatMap(({ records }) => records.map(({ headers }) => headers.order_id ?? ''))
  }
  const { orderId } = await h.client.createOrder(limitBuy, alice.as)
  await waitFor(async () => (await sent()).includes(orderId))
  await h.stop()
  // The database as it was before the last command: restored from an older copy.
  await runAsOwner('update markets set next_command_seq = next_command_seq - 1')
  await h.start()
  const late = await h.client.createOrder(limitBuy, alice.as)
  // Not so often that a quick machine has as many open orders as it may have before that.
  await waitFor(async () => (await refusal(h.client.createOrder(limitBuy, alice.as))) === 'unavailable', {
    intervalMs: 100,
  })
  expect(await sent()).not.toContain(late.orderId)
})

async function runAsOwner(statement: string): Promise<void> {
  const db = openDb({ url: h.platform.database.of('order').ownerUrl, schema: 'order', poolSize: 1 })
  await db.query(statement)
  await db.close()
}

async function deleteLast(ownerUrl: string, commandSeq: bigint): Promise<void> {
  const db = openDb({ url: ownerUrl, schema: 'event_log', poolSize: 1 })
  const { rowCount } = await db.query(
    `delete from records where (headers ->> 'command_seq')::bigint >= $1
       and topic_id = (select id from topics where name = 'trading.orders.commands')`,
    [commandSeq],
  )
  expect(rowCount).toBe(1)
  await db.close()
}
