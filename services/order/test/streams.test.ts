import { silentLogger } from '@bitka/kernel'
import { CloseReason } from '@bitka/proto/bitka/events/v1/trading_pb'
import { OrderService, OrderStatus, type StreamOrdersResponse } from '@bitka/proto/bitka/order/v1/order_pb'
import { waitFor } from '@bitka/testkit'
import { startOrder } from '../src/service.ts'
import { Harness, limitBuy, type Person, refusal, SELL } from './harness.ts'

let h: Harness
let alice: Person
const controllers: AbortController[] = []
beforeAll(async () => {
  h = await Harness.open()
  await h.market()
})
afterEach(() => {
  for (const controller of controllers.splice(0)) controller.abort()
})
afterAll(() => h?.close())
beforeEach(async () => {
  alice = await h.person()
})

/** Reads a stream in the background until the test ends. */
function follow<T>(open: (signal: AbortSignal) => AsyncIterable<T>): T[] {
  const controller = new AbortController()
  controllers.push(controller)
  const seen: T[] = []
  void (async () => {
    try {
      for await (const item of open(controller.signal)) seen.push(item)
    } catch {
      // It was closed.
    }
  })()
  return seen
}

const orders = (who = alice) => follow((signal) => h.client.streamOrders({}, { ...who.as, signal }))
const fills = (sinceFillId?: string) =>
  follow((signal) => h.client.streamFills({ sinceFillId }, { ...alice.as, signal }))

const trade = (number: bigint, maker: string, taker: string) => {
  const party = { quoteAmount: '100', fee: '1', holdAfter: '0', filledLots: number * 10n }
  const [one, other] = [
    { ...party, orderId: maker },
    { ...party, orderId: taker },
  ]
  const value = { tradeNumber: number, priceTicks: 1n, quantityLots: 10n, takerSide: SELL, maker: one, taker: other }
  return h.engine.say('BTC-THB', [{ case: 'trade', value }])
}

it('shows in one process what another was asked for, long before it looks by itself', async () => {
  const second = await startOrder(h.platform.env('order'), { clock: h.clock, log: silentLogger })
  try {
    const other = await h.platform.client(OrderService, 'gateway', { service: 'order', port: second.port })
    const controller = new AbortController()
    controllers.push(controller)
    const stream = other.streamOrders({}, { ...alice.as, signal: controller.signal })[Symbol.asyncIterator]()
    expect((await stream.next()).value).toMatchObject({ snapshot: true, items: [] })
    const startedMs = performance.now()
    for (let turn = 0; turn < 20; turn += 1) {
      const orderId = await h.place(alice)
      for (let seen = false; !seen; ) {
        const { value, done } = await stream.next()
        if (done) throw new Error('the stream has ended')
        seen = (value as StreamOrdersResponse).items.some((order) => order.orderId === orderId)
      }
    }
    // By itself it looks every two seconds: twenty orders, one after the other, would take forty.
    expect(performance.now() - startedMs).toBeLessThan(30_000)
  } finally {
    await second.stop()
  }
})

it('begins with the open orders and goes on with each that changes', async () => {
  const first = await h.place(alice)
  const seen = orders()
  await waitFor(() => seen.length === 1)
  expect(seen[0]).toMatchObject({ snapshot: true, items: [{ orderId: first, status: OrderStatus.OPEN }] })
  const bob = await h.person()
  await h.place(bob)
  const second = await h.place(alice)
  await h.engine.say('BTC-THB', [{ case: 'orderClosed', value: { orderId: first, reason: CloseReason.USER } }])
  await waitFor(() => seen.at(-1)?.items.at(-1)?.status === OrderStatus.CANCELLED)
  const changes = seen.slice(1).flatMap(({ items }) => items)
  expect(new Set(changes.map(({ orderId }) => orderId))).toEqual(new Set([first, second]))
  const revisions = changes.filter(({ orderId }) => orderId === second).map(({ revision }) => revision)
  expect(revisions).toEqual([...new Set(revisions)].sort())
  expect(seen.slice(1).every(({ snapshot }) => !snapshot)).toBe(true)
})

it('finds what another process changed', async () => {
  const orderId = await h.place(alice)
  const seen = orders()
  await waitFor(() => seen.length === 1)
  // Nobody in this process hears of it.
  await h.db.query(`update orders set state = 'cancelled', cancel_reason = 1, revision = revision + 1 where id = $1`, [
    orderId,
  ])
  await waitFor(() => seen.some(({ snapshot, items }) => !snapshot && items[0]?.status === OrderStatus.CANCELLED))
})

it('gives every fill once, also from where one left off', async () => {
  const [buy, bob] = [await h.place(alice), await h.person()]
  const sell = await h.place(bob, { ...limitBuy, side: SELL })
  const live = fills()
  await waitFor(() => live.length === 1)
  expect(live[0]).toMatchObject({ snapshot: true, items: [] })
  for (const number of [1n, 2n, 3n]) await trade(number, buy, sell)
  await waitFor(() => live.flatMap(({ items }) => items).length === 3)
  expect(live.flatMap(({ items }) => items.map(({ fillId }) => fillId))).toEqual([
    'BTC-THB-1-m',
    'BTC-THB-2-m',
    'BTC-THB-3-m',
  ])
  const later = fills('BTC-THB-1-m')
  await waitFor(() => later.length === 1)
  expect(later[0]?.items.map(({ fillId, orderId }) => [fillId, orderId])).toEqual([
    ['BTC-THB-2-m', buy],
    ['BTC-THB-3-m', buy],
  ])
  // Somebody else's fill says nothing about one's own.
  const foreign = fills('BTC-THB-1-t')
  await waitFor(() => foreign.length === 1)
  expect(foreign[0]?.items).toEqual([])
})

it('ends with the token', async () => {
  const stream = h.client.streamOrders({}, alice.as)
  const read = (async () => {
    for await (const _ of stream) h.clock.advance(1_000_000)
  })()
  expect(await refusal(read)).toBe('unauthenticated')
})
