import { CancelReason } from '@bitka/proto/bitka/common/v1/market_pb'
import { OrderCancelledSchema, OrderFilledSchema } from '@bitka/proto/bitka/events/v1/orders_pb'
import { CloseReason } from '@bitka/proto/bitka/events/v1/trading_pb'
import { OrderStatus } from '@bitka/proto/bitka/order/v1/order_pb'
import { waitFor } from '@bitka/testkit'
import { fromBinary } from '@bufbuild/protobuf'
import type { Body } from './engine.ts'
import { BUY, Harness, limitBuy, MARKET, type Person, refusal, SELL } from './harness.ts'

const SYMBOL = 'BTC-THB'

let h: Harness
let alice: Person
let bob: Person
let trades = 0n
beforeAll(async () => {
  h = await Harness.open()
  await h.market()
})
afterAll(() => h?.close())
beforeEach(async () => {
  alice = await h.person()
  bob = await h.person()
})

const close = (orderId: string, reason: CloseReason): Body => ({ case: 'orderClosed', value: { orderId, reason } })

const trade = (maker: string, taker: string, filled: { maker: bigint; taker: bigint }, lots: bigint): Body => {
  trades += 1n
  const party = (orderId: string, filledLots: bigint, quoteAmount: string) => ({
    orderId,
    filledLots,
    quoteAmount,
    fee: '7',
    holdAfter: '0',
  })
  return {
    case: 'trade',
    value: {
      tradeNumber: trades,
      priceTicks: 999_999n,
      quantityLots: lots,
      takerSide: SELL,
      maker: party(maker, filled.maker, '2500000'),
      taker: party(taker, filled.taker, '2499999'),
    },
  }
}

/** A buy by Alice of 1, sold to her by Bob in two halves. */
async function twoHalves(): Promise<{ buy: string; sells: string[] }> {
  const buy = await h.place(alice)
  const sells: string[] = []
  for (const half of [5_000n, 10_000n]) {
    const { orderId } = await h.client.createOrder({ ...limitBuy, side: SELL, quantity: '0.5', price: '1000' }, bob.as)
    await h.engine.commandOf(orderId)
    const fills = half === 10_000n ? [close(buy, CloseReason.FILLED)] : []
    await h.engine.say(
      SYMBOL,
      [
        { case: 'orderAccepted', value: { orderId } },
        trade(buy, orderId, { maker: half, taker: 5_000n }, 5_000n),
        ...fills,
        close(orderId, CloseReason.FILLED),
      ],
      { lastPriceTicks: 999_999n, bestBidTicks: 5n, timeMs: 1_700_000_000_000n },
    )
    sells.push(orderId)
  }
  await waitFor(async () => (await h.state(buy)) === 'filled')
  return { buy, sells }
}

it('copies the engine’s amounts into fills, and tells that orders were filled', async () => {
  const { buy, sells } = await twoHalves()
  const { order } = await h.client.getOrder({ orderId: buy }, alice.as)
  expect(order).toMatchObject({
    status: OrderStatus.FILLED,
    quantity: '1',
    filledQuantity: '1',
    remainingQuantity: '0',
    fills: [
      {
        tradeId: 'BTC-THB-1',
        price: '49999.95',
        quantity: '0.5',
        quoteAmount: '25000',
        fee: '0.00000007',
        feeAsset: 'BTC',
        liquidity: 1,
      },
      { tradeId: 'BTC-THB-2' },
    ],
  })
  const sold = await h.client.getOrder({ orderId: sells[0] ?? '' }, bob.as)
  expect(sold.order?.fills).toMatchObject([{ quoteAmount: '24999.99', fee: '0.07', feeAsset: 'THB', liquidity: 2 }])
  const { rows } = await h.db.query<{ value: Buffer }>(
    `select value from outbox where topic = 'trading.orders.filled' and key = $1`,
    [buy],
  )
  expect(rows.map(({ value }) => fromBinary(OrderFilledSchema, value))).toMatchObject([
    { orderId: buy, userId: alice.userId, side: BUY, quantity: '1', averagePrice: '50000', quoteAmount: '50000' },
  ])
})

it('holds for a market buy by the last trade and the band', async () => {
  await twoHalves()
  const { orderId } = await h.client.createOrder({ symbol: SYMBOL, side: BUY, type: MARKET, quantity: '1' }, alice.as)
  // 49,999.95 and a tenth more, rounded up.
  expect(h.ledger.heldFor(orderId)).toBe(5_499_995n)
})

it('tells that an order was cancelled, and why', async () => {
  const orderId = await h.place(alice)
  await h.engine.say(SYMBOL, [close(orderId, CloseReason.SELF_TRADE)])
  await waitFor(async () => (await h.state(orderId)) === 'cancelled')
  const { rows } = await h.db.query<{ value: Buffer }>(
    `select value from outbox where topic = 'trading.orders.cancelled' and key = $1`,
    [orderId],
  )
  expect(rows.map(({ value }) => fromBinary(OrderCancelledSchema, value))).toMatchObject([
    { orderId, reason: CancelReason.SELF_TRADE },
  ])
})

it('applies each result once, however often the log has it and wherever the service was stopped', async () => {
  const { buy } = await twoHalves()
  const position = async () => (await h.db.query('select last_result_number from market_positions')).rows
  const before = await position()
  // Everything once more, from the first result on.
  await h.engine.say(SYMBOL, [{ case: 'orderAccepted', value: { orderId: buy } }], { from: 1n })
  await h.stop()
  await h.db.query('update consumer_cursors set next_offset = 0')
  await h.start()
  const orderId = await h.place(alice)
  await waitFor(async () => (await h.state(orderId)) === 'open')
  expect((await h.client.getOrder({ orderId: buy }, alice.as)).order?.fills).toHaveLength(2)
  expect(await position()).not.toEqual(before)
})

it('lists what was traded and what it costs', async () => {
  await twoHalves()
  const fees = (await h.client.listFees({}, alice.as)).items
  // The trades above are of 2023: too old to count.
  expect(fees).toMatchObject([{ symbol: SYMBOL, makerFeeBps: 10, takerFeeBps: 20, volume30d: '0' }])
  const buy = await h.place(alice)
  const sell = await h.place(bob, { ...limitBuy, side: SELL, price: '60000' })
  await h.engine.say(SYMBOL, [trade(buy, sell, { maker: 5_000n, taker: 5_000n }, 5_000n)], { lastPriceTicks: 999_999n })
  await waitFor(async () => (await h.client.listFees({}, alice.as)).items[0]?.volume30d === '25000')
  expect((await h.client.getOrder({ orderId: buy }, alice.as)).order).toMatchObject({
    status: OrderStatus.PARTIALLY_FILLED,
    filledQuantity: '0.5',
    remainingQuantity: '0.5',
  })
})

it('stops at a gap and says that it is not ready; reads go on', async () => {
  const orderId = await h.place(alice)
  // One result is missing before this one.
  await h.engine.say(SYMBOL, [close(orderId, CloseReason.USER)], { skip: 1n })
  const stopped = await waitFor(async () => {
    const health = await h.service?.health()
    return health?.ready === false && health.dependencies.find(({ ok }) => !ok)
  })
  expect(stopped).toMatchObject({ name: 'consumer order.results', detail: expect.stringContaining('jump from') })
  expect(await h.state(orderId)).toBe('open')
  expect(await refusal(h.client.getOrder({ orderId }, alice.as))).toBe('it was done')
})
