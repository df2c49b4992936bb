import { newId } from '@bitka/kernel'
import { MarketStatus, RejectReason, TimeInForce } from '@bitka/proto/bitka/common/v1/market_pb'
import { OrderCreatedSchema } from '@bitka/proto/bitka/events/v1/orders_pb'
import { CreateOrderStatus, OrderStatus } from '@bitka/proto/bitka/order/v1/order_pb'
import { waitFor } from '@bitka/testkit'
import { fromBinary } from '@bufbuild/protobuf'
import {
  BUY,
  Harness,
  keyed,
  keyedWaiting,
  LIMIT,
  limitBuy,
  MARKET,
  type Person,
  refusal,
  SELL,
  waiting,
} from './harness.ts'

const ACCEPTED = CreateOrderStatus.ACCEPTED

let h: Harness
let alice: Person
beforeAll(async () => {
  h = await Harness.open()
  await h.market()
})
afterAll(() => h?.close())
beforeEach(async () => {
  alice = await h.person()
})

const create = (order = limitBuy, as = alice.as) => h.client.createOrder(order, as)

it('accepts an order: funds held, the command in the log, the event and the audit row in the same commit', async () => {
  const answer = await create({ ...limitBuy, clientOrderId: 'first', metadata: { tag: 'x' } })
  expect(answer).toMatchObject({ clientOrderId: 'first', status: ACCEPTED, message: 'The order was accepted.' })
  expect(answer.order).toBeUndefined()
  const { orderId } = answer
  expect(h.ledger.heldFor(orderId)).toBe(5_000_000n)
  expect(h.ledger.items.find(({ holdId }) => holdId === orderId)).toMatchObject({
    asset: 'THB',
    receiveAsset: 'BTC',
    symbol: 'BTC-THB',
    shown: [{ symbol: 'BTC-THB', resultNumber: 1n }],
  })
  const command = await h.engine.commandOf(orderId)
  expect(command.body.value).toMatchObject({
    userId: alice.userId,
    priceTicks: 1_000_000n,
    quantityLots: 10_000n,
    maxQuote: '5000000',
    validUntilMs: 0n,
    makerFeeBps: 10,
    takerFeeBps: 20,
  })
  expect(h.engine.commands.find(({ commandSeq }) => commandSeq === command.commandSeq)?.headers).toMatchObject({
    order_id: orderId,
    command_seq: String(command.commandSeq),
    symbol: 'BTC-THB',
    producer: 'order',
  })
  const { rows } = await h.db.query<{ value: Buffer }>(
    `select value from outbox where topic = 'trading.orders.created'`,
  )
  expect(rows.map(({ value }) => fromBinary(OrderCreatedSchema, value).orderId)).toContain(orderId)
  expect(await h.audited('order.create')).toContainEqual([1, ''])
})

it('shows an order as pending until the engine has said something, and the engine’s answer to those who wait', async () => {
  const { orderId } = await create()
  expect((await h.client.getOrder({ orderId }, alice.as)).order?.status).toBe(OrderStatus.PENDING)
  const waited = create(limitBuy, waiting(alice, 5))
  const { orderId: second } = await waitFor(
    () =>
      h.engine.commands
        .map(({ body }) => body.value as { orderId?: string; userId?: string })
        .find((value) => value.userId === alice.userId && value.orderId !== orderId) as { orderId: string } | undefined,
  )
  await h.engine.accept(second)
  expect(await waited).toMatchObject({ orderId: second, status: ACCEPTED, order: { status: OrderStatus.OPEN } })
})

it('says rejected to those who waited for a rejection', async () => {
  const waited = create({ ...limitBuy, postOnly: true, clientOrderId: 'po' }, waiting(alice, 5))
  const command = await waitFor(() =>
    h.engine.commands.find(({ body }) => body.case === 'newOrder' && body.value.postOnly),
  )
  const { orderId } = command.body.value as { orderId: string }
  await h.engine.say('BTC-THB', [
    { case: 'orderRejected', value: { orderId, reason: RejectReason.POST_ONLY_WOULD_TAKE } },
  ])
  expect(await waited).toMatchObject({
    status: CreateOrderStatus.REJECTED,
    order: { status: OrderStatus.REJECTED, rejectReason: RejectReason.POST_ONLY_WOULD_TAKE },
  })
})

it('gives market, IOC and FOK orders a time after which the engine refuses them', async () => {
  const validUntilMs = BigInt(h.clock.nowMs() + 30_000)
  const orders = [
    { ...limitBuy, timeInForce: TimeInForce.IOC },
    { ...limitBuy, timeInForce: TimeInForce.FOK },
    { symbol: 'BTC-THB', side: SELL, type: MARKET, quantity: '1' },
  ]
  for (const order of orders) {
    const { orderId } = await create(order)
    expect((await h.engine.commandOf(orderId)).body.value).toMatchObject({ validUntilMs })
  }
})

it('takes a market order that asks to rest as IOC, and says so', async () => {
  const order = { symbol: 'BTC-THB', side: SELL, type: MARKET, quantity: '1', timeInForce: TimeInForce.GTC }
  const { orderId, status } = await create(order)
  expect(status).toBe(ACCEPTED)
  expect((await h.engine.commandOf(orderId)).body.value).toMatchObject({ timeInForce: TimeInForce.IOC })
  expect((await h.client.getOrder({ orderId }, alice.as)).order?.timeInForce).toBe(TimeInForce.IOC)
})

it('sends a market buy without a reference price unfunded, for the engine to reject', async () => {
  const { orderId } = await create({ symbol: 'BTC-THB', side: BUY, type: MARKET, quantity: '1' })
  expect((await h.engine.commandOf(orderId)).body.value).toMatchObject({ maxQuote: '0', priceTicks: 0n })
  expect(h.ledger.holds.has(orderId)).toBe(false)
})

it.each([
  ['an unknown market', { ...limitBuy, symbol: 'NONE-THB' }, ['invalid', { symbol: 'names no market' }]],
  [
    'no price',
    { symbol: 'BTC-THB', side: BUY, type: LIMIT, quantity: '1' },
    ['invalid', { price: 'is required for a limit order' }],
  ],
  [
    'a tick between',
    { ...limitBuy, price: '1000.01' },
    ['invalid', { price: 'must be a whole multiple of the tick size 0.05' }],
  ],
])('refuses %s', async (_, order, expected) => {
  expect(await refusal(create(order))).toEqual(expected)
})

it('refuses what the balance does not cover, and leaves the client_order_id free', async () => {
  const poor = await h.person(['user'], 0n)
  const order = { ...limitBuy, clientOrderId: 'later' }
  expect(await refusal(h.client.createOrder(order, poor.as))).toBe('insufficient_funds')
  expect((await h.client.listOrders({}, poor.as)).items).toEqual([])
  h.ledger.fund(poor.userId, 'THB', 5_000_000n)
  expect(await h.client.createOrder(order, poor.as)).toMatchObject({ status: ACCEPTED, clientOrderId: 'later' })
  expect(await h.audited('order.create')).toContainEqual([2, 'INSUFFICIENT_FUNDS'])
})

it('never fails a neighbour of the same batch', async () => {
  const poor = await h.person(['user'], 0n)
  const twins = [1, 2].map(() => refusal(create({ ...limitBuy, clientOrderId: 'twin' })))
  const outcomes = await Promise.all([
    refusal(h.client.createOrder(limitBuy, poor.as)),
    refusal(create({ ...limitBuy, symbol: 'NONE-THB' })),
    create(),
  ])
  expect(outcomes).toMatchObject([
    'insufficient_funds',
    ['invalid', { symbol: 'names no market' }],
    { status: ACCEPTED },
  ])
  // Either of the twins may come first.
  expect(await Promise.all(twins)).toEqual(
    expect.arrayContaining(['it was done', ['conflict', { client_order_id: 'was used for another order' }]]),
  )
})

it('refuses a second order of one client_order_id, for good', async () => {
  await create({ ...limitBuy, clientOrderId: 'mine' })
  const taken = ['conflict', { client_order_id: 'was used for another order' }]
  expect(await refusal(create({ ...limitBuy, clientOrderId: 'mine' }))).toEqual(taken)
  // Somebody else's names are their own.
  const bob = await h.person()
  expect(await h.client.createOrder({ ...limitBuy, clientOrderId: 'mine' }, bob.as)).toMatchObject({ status: ACCEPTED })
})

describe('an Idempotency-Key', () => {
  it('gives the first answer again, and makes no second order', async () => {
    const first = await create(limitBuy, keyed(alice, 'k1'))
    expect(await create(limitBuy, keyed(alice, 'k1'))).toEqual(first)
    expect((await h.client.listOrders({}, alice.as)).items).toHaveLength(1)
  })

  it('gives the first answer again whatever has become of the order', async () => {
    const order = { ...limitBuy, clientOrderId: 'again' }
    const first = await create(order, keyed(alice, 'a1'))
    expect(first.clientOrderId).toBe('again')
    await h.engine.commandOf(first.orderId)
    const reason = RejectReason.POST_ONLY_WOULD_TAKE
    await h.engine.say('BTC-THB', [{ case: 'orderRejected', value: { orderId: first.orderId, reason } }])
    await waitFor(async () => (await h.state(first.orderId)) === 'rejected')
    expect(await create(order, keyed(alice, 'a1'))).toEqual(first)
    expect(await create(order, keyedWaiting(alice, 'a1', 5))).toEqual(first)
  })

  it('gives the first answer again to those who waited for the engine, also after a restart', async () => {
    const order = { ...limitBuy, clientOrderId: 'waited' }
    const answers = [1, 2].map(() => create(order, keyedWaiting(alice, 'a2', 5)))
    const placed = await waitFor(async () => {
      const { items } = await h.client.listOrders({ clientOrderId: 'waited' }, alice.as)
      return items[0]
    })
    await h.engine.accept(placed.orderId)
    const [first, second] = await Promise.all(answers)
    expect(first).toMatchObject({ orderId: placed.orderId, status: ACCEPTED, order: { status: OrderStatus.OPEN } })
    expect(second).toEqual(first)
    await h.engine.say('BTC-THB', [{ case: 'orderClosed', value: { orderId: placed.orderId, reason: 2 } }])
    await waitFor(async () => (await h.state(placed.orderId)) === 'cancelled')
    expect(await create(order, keyedWaiting(alice, 'a2', 5))).toEqual(first)
    await h.stop()
    await h.start()
    expect(await waitFor(() => create(order, keyed(alice, 'a2')).catch(() => undefined))).toEqual(first)
  })

  it('waits for the engine again when the first answer was never given', async () => {
    const abort = new AbortController()
    const order = { ...limitBuy, clientOrderId: 'lost' }
    const options = keyedWaiting(alice, 'a3', 5)
    const lost = refusal(create(order, { ...options, signal: abort.signal }))
    const placed = await waitFor(async () => {
      const { items } = await h.client.listOrders({ clientOrderId: 'lost' }, alice.as)
      return items[0]
    })
    await h.engine.commandOf(placed.orderId)
    abort.abort()
    await lost
    const again = create(order, options)
    await h.engine.accept(placed.orderId)
    expect(await again).toMatchObject({ orderId: placed.orderId, order: { status: OrderStatus.OPEN } })
  })

  it('refuses another request', async () => {
    await create(limitBuy, keyed(alice, 'k2'))
    expect(await refusal(create({ ...limitBuy, quantity: '2' }, keyed(alice, 'k2')))).toBe('conflict')
  })

  it('is one order for two connections at once, and belongs to one user', async () => {
    const bob = await h.person()
    const answers = await Promise.all(
      [alice, alice, bob, alice].map((who) => h.client.createOrder(limitBuy, keyed(who, 'k3'))),
    )
    const ids = answers.map(({ orderId }) => orderId)
    expect(new Set([ids[0], ids[1], ids[3]]).size).toBe(1)
    expect(ids[2]).not.toBe(ids[0])
    const conflicting = await Promise.all([
      refusal(create(limitBuy, keyed(alice, 'k4'))),
      refusal(create({ ...limitBuy, quantity: '3' }, keyed(alice, 'k4'))),
    ])
    expect(conflicting.sort()).toEqual(['conflict', 'it was done'])
  })

  it('remembers refusals that were decided, and nothing that never began', async () => {
    const poor = await h.person(['user'], 0n)
    expect(await refusal(h.client.createOrder(limitBuy, keyed(poor, 'k')))).toBe('insufficient_funds')
    h.ledger.fund(poor.userId, 'THB', 10n ** 9n)
    expect(await refusal(h.client.createOrder(limitBuy, keyed(poor, 'k')))).toBe('insufficient_funds')
    await create({ ...limitBuy, clientOrderId: 'c' })
    const taken = ['conflict', { client_order_id: 'was used for another order' }]
    expect(await refusal(create({ ...limitBuy, clientOrderId: 'c' }, keyed(alice, 'k5')))).toEqual(taken)
    expect(await refusal(create({ ...limitBuy, clientOrderId: 'c' }, keyed(alice, 'k5')))).toEqual(taken)
    expect(await refusal(create({ ...limitBuy, quantity: '0' }, keyed(alice, 'k6')))).toMatchObject(['invalid', {}])
    expect(await create(limitBuy, keyed(alice, 'k6'))).toMatchObject({ status: ACCEPTED })
    expect(await refusal(create(limitBuy, keyed(alice, 'a b')))).toMatchObject([
      'invalid',
      { 'Idempotency-Key': expect.anything() },
    ])
  })

  it('finishes an order whose funds could not be asked for the first time', async () => {
    h.ledger.breaks = 'after'
    expect(await refusal(create(limitBuy, keyed(alice, 'k7')))).toBe('unavailable')
    h.ledger.breaks = undefined
    const { orderId } = await create(limitBuy, keyed(alice, 'k7'))
    expect(h.ledger.calls.filter((ids) => ids.includes(orderId)).length).toBeGreaterThan(1)
    expect(await h.state(orderId)).toBe('submitted')
    expect((await h.client.listOrders({}, alice.as)).items).toHaveLength(1)
  })
})

it('counts commands without a gap, whatever was refused in between', async () => {
  const poor = await h.person(['user'], 0n)
  const tries = [...Array(60).keys()].map((n) =>
    refusal(h.client.createOrder(limitBuy, n % 3 === 0 ? poor.as : alice.as)),
  )
  await Promise.all(tries)
  const last = await waitFor(async () => {
    const { rows } = await h.db.query<{ next: bigint }>('select next_command_seq as next from markets')
    return BigInt(h.engine.commands.length) === (rows[0]?.next ?? 0n) - 1n && rows[0]?.next
  })
  const seqs = h.engine.commands.map(({ commandSeq }) => commandSeq)
  expect(seqs).toEqual([...Array(Number(last) - 1).keys()].map((n) => BigInt(n + 1)))
})

it('refuses more open orders than the market allows, and takes one again when one is gone', async () => {
  await h.market({ symbol: 'ETH-THB', baseAsset: 'ETH', maxOpenOrders: 2 })
  const order = { ...limitBuy, symbol: 'ETH-THB' }
  const { orderId } = await create(order)
  expect((await Promise.all([refusal(create(order)), refusal(create(order))])).sort()).toEqual([
    'conflict',
    'it was done',
  ])
  await h.engine.accept(orderId)
  await h.engine.say('ETH-THB', [{ case: 'orderClosed', value: { orderId, reason: 2 } }])
  await waitFor(async () => (await refusal(create(order))) === 'it was done')
  expect(await refusal(create(limitBuy))).toBe('it was done')
})

describe('a market that does not trade', () => {
  const order = { ...limitBuy, symbol: 'BTC-ETH', side: SELL }
  const reject = (orderId: string) =>
    h.engine.say('BTC-ETH', [{ case: 'orderRejected', value: { orderId, reason: RejectReason.MARKET_HALTED } }])
  beforeAll(() => h.market({ symbol: 'BTC-ETH', quoteAsset: 'ETH' }))

  it.each([MarketStatus.PRE_OPEN, MarketStatus.CANCEL_ONLY, MarketStatus.HALTED, MarketStatus.DELISTED])(
    'has its orders rejected by the engine, in status %s',
    async (status) => {
      const { as } = await h.operator()
      const { market } = await h.client.updateMarket({ symbol: 'BTC-ETH', status }, as)
      expect(market?.status).toBe(status)
      const answer = await create(order)
      expect(answer.status).toBe(ACCEPTED)
      expect(h.ledger.heldFor(answer.orderId)).toBe(100_000_000n)
      await h.engine.commandOf(answer.orderId)
      await reject(answer.orderId)
      const rejection = { status: OrderStatus.REJECTED, rejectReason: RejectReason.MARKET_HALTED }
      await waitFor(async () => (await h.state(answer.orderId)) === 'rejected')
      expect((await h.client.getOrder({ orderId: answer.orderId }, alice.as)).order).toMatchObject(rejection)
      const waited = create({ ...order, clientOrderId: `waits-${status}` }, waiting(alice, 5))
      const { items } = await waitFor(async () => {
        const found = await h.client.listOrders({ clientOrderId: `waits-${status}` }, alice.as)
        return found.items.length > 0 && found
      })
      await h.engine.commandOf(items[0]?.orderId ?? '')
      await reject(items[0]?.orderId ?? '')
      expect(await waited).toMatchObject({ status: CreateOrderStatus.REJECTED, order: rejection })
    },
  )
})

describe('back-pressure', () => {
  it('refuses orders of a market whose settlement is stopped or behind, and takes them again', async () => {
    const partition = h.engine.commands.find(({ symbol }) => symbol === 'BTC-THB')?.partition ?? 0
    for (const state of [
      { lagMs: 0n, stopped: true },
      { lagMs: 10_001n, stopped: false },
    ]) {
      h.ledger.settlement.set(partition, state)
      await waitFor(async () => (await refusal(create())) === 'unavailable')
      h.ledger.settlement.delete(partition)
      await waitFor(async () => (await refusal(create())) === 'it was done')
    }
  })

  it('refuses orders while commands do not reach the log, but takes cancels', async () => {
    const orderId = await h.place(alice)
    // A command that the log refuses: no such partition.
    await h.db.query(
      `insert into outbox (topic, partition, key, headers, value) values ('trading.orders.commands', 99, 'x', '{}', '')`,
    )
    // Not so often that a quick machine has as many open orders as it may have before the command is old.
    await waitFor(async () => (await refusal(create())) === 'unavailable', { intervalMs: 100 })
    expect(await h.client.cancelOrder({ orderId }, alice.as)).toMatchObject({ status: 2 })
    await h.db.query(`delete from outbox where partition = 99`)
    await waitFor(async () => (await refusal(create())) === 'it was done')
  })
})

it('has no order for an id that it did not give', async () => {
  expect(await refusal(h.client.getOrder({ orderId: newId() }, alice.as))).toBe('not_found')
  expect(await refusal(h.client.getOrder({ orderId: 'x' }, alice.as))).toBe('not_found')
})
