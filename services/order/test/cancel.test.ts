import { newId } from '@bitka/kernel'
import { CancelReason, RejectReason } from '@bitka/proto/bitka/common/v1/market_pb'
import { CloseReason } from '@bitka/proto/bitka/events/v1/trading_pb'
import { CancelOrderStatus, OrderStatus } from '@bitka/proto/bitka/order/v1/order_pb'
import { waitFor } from '@bitka/testkit'
import { Harness, keyed, limitBuy, type Person, refusal, waiting } from './harness.ts'

const { CANCELLED, CANCEL_REQUESTED } = CancelOrderStatus
const SYMBOL = 'BTC-THB'

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

const cancel = (orderId: string, as = alice.as) => h.client.cancelOrder({ orderId }, as)
const close = (orderId: string, reason = CloseReason.USER) =>
  h.engine.say(SYMBOL, [{ case: 'orderClosed', value: { orderId, reason } }])
const cancelsOf = (orderId: string) =>
  h.engine.of(SYMBOL, 'cancelOrder').filter(({ body }) => (body.value as { orderId: string }).orderId === orderId)

it('is cancelled once the engine has said so', async () => {
  const orderId = await h.place(alice)
  const answer = cancel(orderId)
  await waitFor(() => cancelsOf(orderId).length === 1)
  await close(orderId)
  expect(await answer).toMatchObject({ orderId, status: CANCELLED, message: 'The order is cancelled.' })
  const { order } = await h.client.getOrder({ orderId }, alice.as)
  expect(order).toMatchObject({
    status: OrderStatus.CANCELLED,
    cancelReason: CancelReason.USER,
    remainingQuantity: '1',
  })
  expect(await cancel(orderId)).toMatchObject({ status: CANCELLED })
})

it('is requested after two seconds without the engine, and asked for once however often', async () => {
  const orderId = await h.place(alice)
  const started = performance.now()
  const answers = await Promise.all([cancel(orderId), cancel(orderId), cancel(orderId)])
  expect(answers.map(({ status }) => status)).toEqual(Array(3).fill(CANCEL_REQUESTED))
  expect(performance.now() - started).toBeGreaterThan(1_900)
  await waitFor(() => cancelsOf(orderId).length === 1)
  await close(orderId)
  await waitFor(async () => (await cancel(orderId)).status === CANCELLED)
  expect(cancelsOf(orderId)).toHaveLength(1)
  expect(await h.audited('order.cancel')).not.toEqual([])
})

it('is refused when the order was quicker', async () => {
  const orderId = await h.place(alice)
  const answer = refusal(cancel(orderId))
  await waitFor(() => cancelsOf(orderId).length === 1)
  const party = { orderId, quoteAmount: '5000000', fee: '100', holdAfter: '0', filledLots: 10_000n }
  const seller = await h.place(alice, { ...limitBuy, side: 2, price: '60000' })
  const sold = { ...party, orderId: seller }
  await h.engine.say(SYMBOL, [
    {
      case: 'trade',
      value: {
        tradeNumber: 1n,
        priceTicks: 1_000_000n,
        quantityLots: 10_000n,
        takerSide: 2,
        maker: party,
        taker: sold,
      },
    },
    { case: 'orderClosed', value: { orderId, reason: CloseReason.FILLED } },
    { case: 'orderClosed', value: { orderId: seller, reason: CloseReason.FILLED } },
    { case: 'cancelRejected', value: { orderId } },
  ])
  expect(await answer).toBe('conflict')
  expect(await refusal(cancel(orderId))).toBe('conflict')
  expect(await h.state(orderId)).toBe('filled')
})

it('is refused for a rejected order', async () => {
  const { orderId } = await h.client.createOrder(limitBuy, alice.as)
  await h.engine.commandOf(orderId)
  await h.engine.say(SYMBOL, [{ case: 'orderRejected', value: { orderId, reason: RejectReason.PRICE_BAND } }])
  await waitFor(async () => (await h.state(orderId)) === 'rejected')
  expect(await refusal(cancel(orderId))).toBe('conflict')
})

it('may be asked for before the engine has seen the order', async () => {
  const { orderId } = await h.client.createOrder(limitBuy, alice.as)
  const answer = cancel(orderId)
  await waitFor(() => cancelsOf(orderId).length === 1)
  await h.engine.say(SYMBOL, [
    { case: 'orderAccepted', value: { orderId } },
    { case: 'orderClosed', value: { orderId, reason: CloseReason.USER } },
  ])
  expect(await answer).toMatchObject({ status: CANCELLED })
})

it('ends an order whose funds are still being held, and gives them back', async () => {
  let open = () => {}
  h.ledger.gate = new Promise((resolve) => {
    open = resolve
  })
  const placed = h.client.createOrder({ ...limitBuy, clientOrderId: 'slow' }, alice.as)
  const found = await waitFor(async () => (await h.client.listOrders({ clientOrderId: 'slow' }, alice.as)).items[0])
  const { orderId } = found
  expect(found.status).toBe(OrderStatus.PENDING)
  expect(await cancel(orderId)).toMatchObject({ status: CANCELLED })
  open()
  expect(await placed).toMatchObject({ orderId, status: 3 })
  await waitFor(() => h.ledger.holds.get(orderId)?.released)
  expect(h.ledger.heldFor(orderId)).toBe(0n)
  expect((await h.client.getOrder({ orderId }, alice.as)).order).toMatchObject({
    status: OrderStatus.CANCELLED,
    cancelReason: CancelReason.USER,
  })
})

it('is remembered by its key: the same order, not asked for twice', async () => {
  const orderId = await h.place(alice)
  expect(await cancel(orderId, keyed(alice, 'c1'))).toMatchObject({ status: CANCEL_REQUESTED })
  const other = await h.place(alice)
  expect(await refusal(cancel(other, keyed(alice, 'c1')))).toBe('conflict')
  await close(orderId)
  await waitFor(async () => (await h.state(orderId)) === 'cancelled')
  expect(await cancel(orderId, keyed(alice, 'c1'))).toMatchObject({ status: CANCELLED })
  expect(cancelsOf(orderId)).toHaveLength(1)
})

it('is taken in a halted market', async () => {
  const orderId = await h.place(alice)
  const { as } = await h.operator()
  await h.client.haltMarket({ symbol: SYMBOL }, as)
  const answer = cancel(orderId)
  await waitFor(() => cancelsOf(orderId).length === 1)
  await close(orderId)
  expect(await answer).toMatchObject({ status: CANCELLED })
  await h.client.resumeMarket({ symbol: SYMBOL }, as)
})

it('knows no order of somebody else, and none of a malformed id', async () => {
  const orderId = await h.place(alice)
  const bob = await h.person()
  expect(await refusal(cancel(orderId, bob.as))).toBe('not_found')
  expect(await refusal(cancel('nonsense'))).toBe('not_found')
  expect(await refusal(cancel(newId()))).toBe('not_found')
  expect(await refusal(h.client.cancelOrder({ orderId, reason: 'x'.repeat(201) }, alice.as))).toMatchObject([
    'invalid',
    {},
  ])
  expect(await refusal(h.client.cancelOrder({ orderId, clientCancelId: ' ' }, alice.as))).toMatchObject(['invalid', {}])
})

describe('cancel-all by an operator', () => {
  it('asks once in each market, and counts', async () => {
    await h.market({ symbol: 'ETH-THB', baseAsset: 'ETH' })
    const [first, second] = [await h.place(alice), await h.place(alice)]
    const third = await h.place(alice, { ...limitBuy, symbol: 'ETH-THB' })
    const { as } = await h.operator()
    const all = () => h.client.cancelAllForUser({ userId: alice.userId }, as)
    expect(await all()).toMatchObject({ cancelRequested: 3 })
    expect(await all()).toMatchObject({ cancelRequested: 3 })
    await waitFor(() => h.engine.of('ETH-THB', 'cancelAll').length === 1)
    await waitFor(() => h.engine.of(SYMBOL, 'cancelAll').length === 1)
    expect(h.engine.of(SYMBOL, 'cancelAll')[0]?.body.value).toMatchObject({
      userId: alice.userId,
      reason: CancelReason.USER,
    })
    await close(first)
    await close(second)
    await h.engine.say('ETH-THB', [{ case: 'orderClosed', value: { orderId: third, reason: CloseReason.USER } }])
    await waitFor(
      async () => (await h.client.listOrders({ status: OrderStatus.CANCELLED }, alice.as)).items.length === 3,
    )
    expect(await all()).toMatchObject({ cancelRequested: 0 })
    expect(await h.client.cancelAllForUser({ userId: newId() }, as)).toMatchObject({ cancelRequested: 0 })
    expect(await refusal(h.client.cancelAllForUser({ userId: 'nobody' }, as))).toBe('not_found')
  })

  it('names the user to the engine as the engine knows them, however the operator writes it', async () => {
    const carol = await h.person()
    const orderId = await h.place(carol)
    const { as } = await h.operator()
    const sent = h.engine.of(SYMBOL, 'cancelAll').length
    const userId = carol.userId.toUpperCase()
    expect(await h.client.cancelAllForUser({ userId }, as)).toMatchObject({ cancelRequested: 1 })
    await waitFor(() => h.engine.of(SYMBOL, 'cancelAll').length === sent + 1)
    expect(h.engine.of(SYMBOL, 'cancelAll').at(-1)?.body.value).toMatchObject({ userId: carol.userId })
    await close(orderId)
  })

  it('is an operator’s', async () => {
    expect(await refusal(h.client.cancelAllForUser({ userId: alice.userId }, alice.as))).toBe('forbidden')
  })
})

it('shows a wait that ends without the engine as accepted', async () => {
  expect(await h.client.createOrder(limitBuy, waiting(alice, 1))).toMatchObject({
    status: 2,
    order: { status: OrderStatus.PENDING },
  })
})
