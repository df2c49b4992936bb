import { newId } from '@bitka/kernel'
import { CancelReason, SelfTradePrevention, TimeInForce } from '@bitka/proto/bitka/common/v1/market_pb'
import { CloseReason } from '@bitka/proto/bitka/events/v1/trading_pb'
import { ListOrdersResponseSchema, OrderStatus } from '@bitka/proto/bitka/order/v1/order_pb'
import { waitFor } from '@bitka/testkit'
import { toJson } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { BUY, Harness, LIMIT, limitBuy, type Person, refusal, SELL } from './harness.ts'

const SYMBOL = 'BTC-THB'

let h: Harness
let alice: Person
let bob: Person
let operator: Person
/** Alice's orders, oldest first: filled, cancelled, open, in the other market, pending. */
let ids: string[]
beforeAll(async () => {
  h = await Harness.open()
  await h.market()
  await h.market({ symbol: 'ETH-THB', baseAsset: 'ETH' })
  ;[alice, bob, operator] = [await h.person(), await h.person(), await h.operator()]
  const sell = await h.place(bob, { ...limitBuy, side: SELL })
  ids = [await h.place(alice, { ...limitBuy, quantity: '0.5', clientOrderId: 'one', metadata: { tag: 'x' } })]
  for (const [n, lots] of [2_000n, 5_000n].entries()) {
    const party = { quoteAmount: String(1_000_000 + n), fee: '3', holdAfter: '0', filledLots: lots }
    const value = {
      tradeNumber: BigInt(n + 1),
      priceTicks: 1_000_000n,
      quantityLots: 2_000n,
      takerSide: BUY,
      maker: { ...party, orderId: sell },
      taker: { ...party, orderId: ids[0] ?? '' },
    }
    await h.engine.say(SYMBOL, [{ case: 'trade', value }], { timeMs: BigInt(1_000_000 * (n + 1)) })
  }
  ids.push(await h.place(alice))
  await h.engine.say(SYMBOL, [
    { case: 'orderClosed', value: { orderId: ids[0] ?? '', reason: CloseReason.FILLED } },
    { case: 'orderClosed', value: { orderId: ids[1] ?? '', reason: CloseReason.USER } },
  ])
  ids.push(await h.place(alice), await h.place(alice, { ...limitBuy, symbol: 'ETH-THB' }))
  ids.push((await h.client.createOrder({ ...limitBuy, timeInForce: TimeInForce.IOC }, alice.as)).orderId)
  await waitFor(async () => (await h.state(ids[1] ?? '')) === 'cancelled')
})
afterAll(() => h?.close())

const list = (request = {}, as = alice.as) => h.client.listOrders(request, as)
const idsOf = async (request = {}, as = alice.as) => (await list(request, as)).items.map(({ orderId }) => orderId)
const newestFirst = (...places: number[]) => places.map((place) => ids[place])

it('lists orders newest first, whole', async () => {
  const page = await list({ symbol: SYMBOL, status: OrderStatus.FILLED })
  const fill = (n: number, quoteAmount: string) => ({
    fillId: `BTC-THB-${n}-t`,
    tradeId: `BTC-THB-${n}`,
    price: '50000',
    quantity: '0.2',
    quoteAmount,
    fee: '0.00000003',
    feeAsset: 'BTC',
    liquidity: 'LIQUIDITY_TAKER',
    timestamp: new Date(1_000_000 * n).toISOString().replace('.000', ''),
  })
  expect(toJson(ListOrdersResponseSchema, page)).toEqual({
    items: [
      {
        orderId: ids[0],
        clientOrderId: 'one',
        symbol: SYMBOL,
        side: 'ORDER_SIDE_BUY',
        type: 'ORDER_TYPE_LIMIT',
        price: '50000',
        quantity: '0.5',
        filledQuantity: '0.5',
        remainingQuantity: '0',
        status: 'ORDER_STATUS_FILLED',
        timeInForce: 'TIME_IN_FORCE_GTC',
        selfTradePrevention: 'SELF_TRADE_PREVENTION_CANCEL_NEWEST',
        createdAt: expect.any(String),
        updatedAt: expect.any(String),
        fills: [fill(1, '10000'), fill(2, '10000.01')],
        metadata: { tag: 'x' },
        revision: expect.any(String),
      },
    ],
    pagination: { page: 1, perPage: 25, total: '1', totalPages: 1 },
  })
})

test.each<[string, object, number[]]>([
  ['everything', {}, [4, 3, 2, 1, 0]],
  ['one market', { symbol: 'ETH-THB' }, [3]],
  ['a market that is not', { symbol: 'NO-NO' }, []],
  ['open', { status: OrderStatus.OPEN }, [3, 2]],
  ['pending', { status: OrderStatus.PENDING }, [4]],
  ['cancelled here', { status: OrderStatus.CANCELLED, symbol: SYMBOL }, [1]],
  ['by name', { clientOrderId: 'one' }, [0]],
  ['by a name that is not', { clientOrderId: 'two' }, []],
  ['the second page', { page: 2, perPage: 2 }, [2, 1]],
  ['past the end', { page: 4, perPage: 2 }, []],
])('lists %s', async (_, request, places) => {
  expect(await idsOf(request)).toEqual(newestFirst(...places))
})

it('goes on from a cursor without counting, also when new orders come', async () => {
  const first = await list({ perPage: 2 })
  expect(first.pagination).toMatchObject({
    page: 1,
    perPage: 2,
    total: 5n,
    totalPages: 3,
    nextCursor: expect.any(String),
  })
  const rest: string[] = []
  let cursor = first.pagination?.nextCursor
  while (cursor) {
    const page = await list({ perPage: 2, cursor })
    expect([page.pagination?.page, page.pagination?.total]).toEqual([undefined, undefined])
    rest.push(...page.items.map(({ orderId }) => orderId))
    cursor = page.pagination?.nextCursor
  }
  expect(rest).toEqual(newestFirst(2, 1, 0))
  const both = await list({ perPage: 2, page: 3, cursor: first.pagination?.nextCursor })
  expect(both).toEqual(await list({ perPage: 2, cursor: first.pagination?.nextCursor }))
})

test.each<[object, unknown]>([
  [{ page: 0 }, ['invalid', { page: expect.any(String) }]],
  [{ perPage: 201 }, ['invalid', { per_page: expect.any(String) }]],
  [{ cursor: 'x' }, ['invalid', { cursor: expect.any(String) }]],
  [{ status: 0 }, ['invalid', { status: expect.any(String) }]],
])('refuses %j', async (request, expected) => {
  expect(await refusal(list(request))).toEqual(expected)
})

it('shows another user’s orders to operators only', async () => {
  const { userId } = alice
  expect(await refusal(list({ userId }, bob.as))).toBe('forbidden')
  expect(await idsOf({ userId }, operator.as)).toHaveLength(5)
  expect(await idsOf({ userId: 'nobody' }, operator.as)).toEqual([])
  // A UUID is one in either case: this is nobody else's.
  expect(await idsOf({ userId: alice.userId.toUpperCase() })).toEqual(await idsOf())
  expect(await idsOf({ userId })).toHaveLength(5)
  expect(await refusal(h.client.getOrder({ orderId: ids[0] ?? '' }, bob.as))).toBe('not_found')
})

it('reads one order', async () => {
  const { order } = await h.client.getOrder({ orderId: ids[1]?.toUpperCase() ?? '' }, alice.as)
  expect(order).toMatchObject({
    orderId: ids[1],
    status: OrderStatus.CANCELLED,
    cancelReason: CancelReason.USER,
    type: LIMIT,
    selfTradePrevention: SelfTradePrevention.CANCEL_NEWEST,
    metadata: {},
    fills: [],
  })
  expect(order?.clientOrderId).toBeUndefined()
})

describe('fills', () => {
  const fills = (request = {}, as = alice.as) => h.client.listFills(request, as)
  const names = async (request = {}) => (await fills(request)).items.map(({ fillId }) => fillId)

  it('are listed newest first, whole', async () => {
    const { items, pagination } = await fills({ perPage: 1 })
    expect(items).toMatchObject([
      {
        fillId: 'BTC-THB-2-t',
        tradeId: 'BTC-THB-2',
        orderId: ids[0],
        symbol: SYMBOL,
        side: BUY,
        price: '50000',
        quantity: '0.2',
        quoteAmount: '10000.01',
        fee: '0.00000003',
        feeAsset: 'BTC',
        liquidity: 2,
        timestamp: timestampFromMs(2_000_000),
      },
    ])
    expect(pagination).toMatchObject({ page: 1, total: 2n, totalPages: 2 })
    expect(await names({ perPage: 1, cursor: pagination?.nextCursor })).toEqual(['BTC-THB-1-t'])
    expect(await names({ perPage: 1, page: 2, cursor: pagination?.nextCursor })).toEqual(['BTC-THB-1-t'])
  })

  test.each<[object, string[]]>([
    [{ symbol: 'ETH-THB' }, []],
    [{ symbol: SYMBOL }, ['BTC-THB-2-t', 'BTC-THB-1-t']],
    [{ orderId: newId() }, []],
    [{ orderId: 'x' }, []],
    [{ from: timestampFromMs(2_000_000) }, ['BTC-THB-2-t']],
    [{ to: timestampFromMs(2_000_000) }, ['BTC-THB-1-t']],
  ])('are filtered by %j', async (request, expected) => {
    expect(await names(request)).toEqual(expected)
  })

  it('refuse a cursor that somebody made up of a time that no row can have', async () => {
    const cursor = Buffer.from(JSON.stringify(['0000-01-01T00:00:00Z', '1'])).toString('base64url')
    expect(await refusal(fills({ cursor }))).toEqual(['invalid', { cursor: expect.any(String) }])
  })

  it('are one’s own', async () => {
    expect((await fills({}, bob.as)).items.map(({ fillId, side }) => [fillId, side])).toEqual([
      ['BTC-THB-2-m', SELL],
      ['BTC-THB-1-m', SELL],
    ])
    expect((await fills({ orderId: ids[0] }, bob.as)).items).toEqual([])
  })
})

it('pages the markets and what they cost', async () => {
  for (const read of [
    (request: object) => h.client.listMarkets(request, operator.as),
    (request: object) => h.client.listFees(request, alice.as),
  ]) {
    expect((await read({})).pagination).toMatchObject({ page: 1, perPage: 25, total: 2n, totalPages: 1 })
    const second = await read({ page: 2, perPage: 1 })
    expect(second.items.map(({ symbol }) => symbol)).toEqual(['ETH-THB'])
    expect(second.pagination).toMatchObject({ page: 2, perPage: 1, total: 2n, totalPages: 2 })
    expect((await read({ page: 3, perPage: 1 })).items).toEqual([])
    expect(await refusal(read({ page: 0 }))).toMatchObject(['invalid', { page: expect.any(String) }])
    expect(await refusal(read({ perPage: 201 }))).toMatchObject(['invalid', { per_page: expect.any(String) }])
  }
})
