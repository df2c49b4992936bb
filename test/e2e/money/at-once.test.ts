import { OrderSide, OrderType, TimeInForce } from '@bitka/proto/bitka/common/v1/market_pb'
import { CancelOrderStatus, OrderStatus } from '@bitka/proto/bitka/order/v1/order_pb'
import { waitFor } from '@bitka/testkit'
import { Core, type Person } from './core.ts'

let core: Core
let ann: Person
let ben: Person
beforeAll(async () => {
  core = await Core.open()
  await core.asset('AAA', 2)
  await core.asset('BBB', 2)
  for (const [baseAsset, quoteAsset] of [
    ['AAA', 'BBB'],
    ['BBB', 'AAA'],
  ] as const) {
    await core.market({
      symbol: `${baseAsset}-${quoteAsset}`,
      baseAsset,
      quoteAsset,
      tickSize: '1',
      lotSize: '1',
      minQuantity: '1',
      maxQuantity: '100',
      minNotional: '0',
      makerFeeBps: 0,
      takerFeeBps: 0,
    })
  }
  ann = await core.person()
  ben = await core.person()
  await core.fund(ann, 'BBB', '10')
  await core.fund(ben, 'AAA', '1000')
  await core.fund(ben, 'BBB', '1000')
}, 120_000)
afterAll(() => core?.close())

const { BUY, SELL } = OrderSide
const waiting = ({ as }: Person) => ({ ...as, edge: { prefer: 'wait=5' }, deadlineMs: 30_000 })
const limit = { type: OrderType.LIMIT, price: '1', timeInForce: TimeInForce.GTC }

const becomes = (status: OrderStatus, orderId: string, { as }: Person) =>
  waitFor(async () => (await core.order.getOrder({ orderId }, as)).order?.status === status)

/** The order once it is shown as filled: by the answer itself, unless the machine is too busy for that. */
async function filled(answer: Promise<{ orderId: string; order?: { status: OrderStatus } }>, person: Person) {
  const { orderId, order } = await answer
  if (order?.status !== OrderStatus.FILLED) await becomes(OrderStatus.FILLED, orderId, person)
}

it('funds that an answer has shown as received or freed are there for the next order', async () => {
  for (let round = 0; round < 8; round += 1) {
    // Another market with the same assets, so that the numbers of both matter.
    await core.order.createOrder({ ...limit, symbol: 'AAA-BBB', side: SELL, quantity: '10' }, waiting(ben))
    await filled(core.order.createOrder({ ...limit, symbol: 'AAA-BBB', side: BUY, quantity: '10' }, waiting(ann)), ann)
    await core.order.createOrder({ ...limit, symbol: 'BBB-AAA', side: SELL, quantity: '10' }, waiting(ben))
    await filled(core.order.createOrder({ ...limit, symbol: 'BBB-AAA', side: BUY, quantity: '10' }, waiting(ann)), ann)
    const resting = { ...limit, symbol: 'BBB-AAA', side: SELL, quantity: '10', price: '100' }
    const { orderId } = await core.order.createOrder(resting, ann.as)
    const { status } = await core.order.cancelOrder({ orderId }, ann.as)
    if (status !== CancelOrderStatus.CANCELLED) await becomes(OrderStatus.CANCELLED, orderId, ann)
  }
  await core.holdsTrue()
}, 120_000)
