import { OrderSide, OrderType, RejectReason } from '@bitka/proto/bitka/common/v1/market_pb'
import { OrderStatus } from '@bitka/proto/bitka/order/v1/order_pb'
import { Core, type Person } from './core.ts'

let core: Core
let ann: Person
let ben: Person
beforeAll(async () => {
  core = await Core.open()
  await core.asset('AAA', 8)
  await core.asset('BBB', 2)
  await core.market({
    symbol: 'AAA-BBB',
    baseAsset: 'AAA',
    quoteAsset: 'BBB',
    tickSize: '0.01',
    lotSize: '0.01',
    minQuantity: '0.01',
    maxQuantity: '100',
    minNotional: '0',
    priceBandBps: 1_000,
  })
  ann = await core.person()
  ben = await core.person()
  await core.fund(ann, 'BBB', '1000')
  await core.fund(ben, 'AAA', '10')
}, 120_000)
afterAll(() => core?.close())

const waiting = ({ as }: Person) => ({ ...as, edge: { prefer: 'wait=5' } })
const market = { symbol: 'AAA-BBB', type: OrderType.MARKET }
const { BUY, SELL } = OrderSide

it('is rejected as no_liquidity where there is no price, and holds nothing', async () => {
  const { order } = await core.order.createOrder({ ...market, side: BUY, quantity: '1' }, waiting(ann))
  expect(order).toMatchObject({ status: OrderStatus.REJECTED, rejectReason: RejectReason.NO_LIQUIDITY })
  expect(await core.balances(ann)).toMatchObject({ BBB: ['1000', '0'] })
  const sell = await core.order.createOrder({ ...market, side: SELL, quantity: '1' }, waiting(ben))
  expect(sell.order).toMatchObject({ status: OrderStatus.REJECTED, rejectReason: RejectReason.NO_LIQUIDITY })
  await core.holdsTrue()
  expect(await core.balances(ben)).toMatchObject({ AAA: ['10', '0'] })
})

it('holds the band above the reference, pays what the book asks, and gets the rest back', async () => {
  const limit = { symbol: 'AAA-BBB', type: OrderType.LIMIT, side: SELL }
  await core.order.createOrder({ ...limit, price: '10', quantity: '1' }, waiting(ben))
  await core.order.createOrder({ ...limit, price: '10.5', quantity: '1' }, waiting(ben))
  await core.order.createOrder({ ...limit, price: '11.01', quantity: '1' }, waiting(ben))
  const { order } = await core.order.createOrder({ ...market, side: BUY, quantity: '3' }, waiting(ann))
  expect(order).toMatchObject({ status: OrderStatus.CANCELLED, filledQuantity: '2', remainingQuantity: '1' })
  await core.holdsTrue()
  // 20.50 for two, and 20 bps of what was bought.
  expect(await core.balances(ann)).toMatchObject({ BBB: ['979.5', '0'], AAA: ['1.996', '0'] })
})

it('trades at once also after the clock went back', async () => {
  core.clock.advance(-3_600_000)
  const limit = { symbol: 'AAA-BBB', type: OrderType.LIMIT, side: SELL }
  await core.order.createOrder({ ...limit, price: '10', quantity: '1' }, waiting(ben))
  const { order } = await core.order.createOrder({ ...market, side: BUY, quantity: '1' }, waiting(ann))
  expect(order).toMatchObject({ status: OrderStatus.FILLED })
  await core.holdsTrue()
})
