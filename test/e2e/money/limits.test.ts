import { OrderSide, OrderType } from '@bitka/proto/bitka/common/v1/market_pb'
import { OrderStatus } from '@bitka/proto/bitka/order/v1/order_pb'
import { Core, kindOf, type Person } from './core.ts'

// The most of everything: 2^53 − 1 ticks, as many lots as a market may have, and all the money there can be.
const PRICE = 9_007_199_254_740_991n
const LOTS = 8_589_934_591n
const SUPPLY = 10n ** 36n
const DECIMALS = 10n ** 10n

let core: Core
let rich: Person
let seller: Person
beforeAll(async () => {
  core = await Core.open()
  await core.asset('ONE', 0)
  await core.asset('ALL', 10)
  rich = await core.person()
  seller = await core.person()
  await core.fund(rich, 'ALL', String(SUPPLY / DECIMALS))
  await core.fund(seller, 'ONE', String(LOTS))
  await core.market({
    symbol: 'ONE-ALL',
    baseAsset: 'ONE',
    quoteAsset: 'ALL',
    tickSize: '1',
    lotSize: '1',
    minQuantity: '1',
    maxQuantity: String(LOTS),
    minNotional: '0',
    makerFeeBps: 999,
    takerFeeBps: 1_000,
  })
}, 120_000)
afterAll(() => core?.close())

const waiting = ({ as }: Person) => ({ ...as, edge: { prefer: 'wait=5' } })
const order = { symbol: 'ONE-ALL', type: OrderType.LIMIT, price: String(PRICE) }
const plain = (minor: bigint): string => {
  const digits = String(minor).padStart(11, '0')
  return `${digits.slice(0, -10)}.${digits.slice(-10)}`.replace(/\.?0+$/, '')
}

it('trades the largest order at the largest price, exact to the last digit', async () => {
  const buy = await core.order.createOrder({ ...order, side: OrderSide.BUY, quantity: String(LOTS) }, waiting(rich))
  expect(buy.order?.status).toBe(OrderStatus.OPEN)
  const cost = PRICE * LOTS * DECIMALS
  expect(await core.balances(rich)).toMatchObject({ ALL: [plain(SUPPLY - cost), plain(cost)] })
  for (const lots of [1n, LOTS - 1n]) {
    const sell = await core.order.createOrder(
      { ...order, side: OrderSide.SELL, quantity: String(lots) },
      waiting(seller),
    )
    expect(sell.order?.status).toBe(OrderStatus.FILLED)
  }
  await core.holdsTrue()
  const up = (value: bigint, by: bigint): bigint => (value + by - 1n) / by
  const fees = [1n, LOTS - 1n].map((lots) => up(PRICE * lots * DECIMALS * 1_000n, 10_000n)).reduce((a, b) => a + b)
  expect(await core.balances(seller)).toMatchObject({ ALL: [plain(cost - fees), '0'], ONE: ['0', '0'] })
  expect(await core.balances(rich)).toMatchObject({
    ALL: [plain(SUPPLY - cost), '0'],
    ONE: [String(LOTS - up(LOTS * 999n, 10_000n)), '0'],
  })
})

it.each([
  ['more lots than the market takes', { quantity: String(LOTS + 1n) }],
  ['more lots than can be counted', { quantity: String(2n ** 53n) }],
  ['more ticks than can be counted', { price: String(2n ** 53n) }],
  ['an amount of 40 digits', { quantity: `1${'0'.repeat(40)}` }],
  ['a price of 40 digits', { price: `1${'0'.repeat(40)}` }],
])('refuses %s', async (_, over) => {
  const wanted = { ...order, side: OrderSide.BUY, quantity: '1', ...over }
  expect(await kindOf(core.order.createOrder(wanted, rich.as))).toBe('invalid')
})

it('issues not one more than there can be', async () => {
  expect(await kindOf(core.fund(seller, 'ALL', '0.0000000001'))).toBe('conflict')
})
