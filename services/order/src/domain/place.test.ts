import { DomainError } from '@bitka/kernel'
import { MarketStatus, OrderSide, OrderType, TimeInForce } from '@bitka/proto/bitka/common/v1/market_pb'
import { CreateOrderRequestSchema } from '@bitka/proto/bitka/order/v1/order_pb'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { market, position } from '../../test/samples.ts'
import { draftOf, planOf } from './place.ts'

type Init = MessageInitShape<typeof CreateOrderRequestSchema>
const { BUY, SELL } = OrderSide
const { LIMIT, MARKET } = OrderType
const limit: Init = { symbol: 'BTC-THB', side: BUY, type: LIMIT, price: '50000', quantity: '1' }
const byMarket: Init = { symbol: 'BTC-THB', side: SELL, type: MARKET, quantity: '1' }

/** The plan, or the details of the refusal. */
const place = (request: Init, at = position(), where = market()) => {
  try {
    return planOf(draftOf(create(CreateOrderRequestSchema, request)), where, at)
  } catch (error) {
    if (error instanceof DomainError && error.kind === 'invalid') return error.details
    throw error
  }
}

test.each<[string, Init, Record<string, string>]>([
  ['no price', { ...limit, price: undefined }, { price: 'is required for a limit order' }],
  ['a price on a market order', { ...byMarket, price: '1' }, { price: 'must be left out of a market order' }],
  ['a market order that must not take', { ...byMarket, postOnly: true }, { post_only: 'is for limit orders only' }],
  [
    'post-only that must not rest',
    { ...limit, postOnly: true, timeInForce: TimeInForce.IOC },
    { post_only: 'needs time_in_force GTC' },
  ],
  [
    'no side and no type',
    { ...limit, side: 0, type: 0 },
    { side: 'must be buy or sell', type: 'must be limit or market' },
  ],
  ['a side of the future', { ...limit, side: 9 as OrderSide }, { side: 'must be buy or sell' }],
  ['no quantity', { ...limit, quantity: '' }, { quantity: 'is required' }],
  ['between two ticks', { ...limit, price: '50000.01' }, { price: 'must be a whole multiple of the tick size 0.05' }],
  [
    'between two lots',
    { ...limit, quantity: '0.00015' },
    { quantity: 'must be a whole multiple of the lot size 0.0001' },
  ],
  ['a float', { ...limit, price: '5e4' }, { price: 'must be a decimal number such as "1.25"' }],
  ['a sign', { ...limit, quantity: '-1' }, { quantity: 'must be a decimal number such as "1.25"' }],
  ['a price of nothing', { ...limit, price: '0' }, { price: 'must be greater than zero' }],
  ['a quantity of nothing', { ...limit, quantity: '0' }, { quantity: 'must be at least 0.0001' }],
  ['too much', { ...limit, quantity: '100.0001' }, { quantity: 'must be at most 100' }],
  ['too cheap', { ...limit, price: '0.05' }, { quantity: 'times price must be at least 10 THB' }],
  ['a price that cannot be counted', { ...limit, price: '9007199254740993' }, { price: 'is too large' }],
  ['an empty name', { ...limit, clientOrderId: '' }, { client_order_id: 'must have 1 to 64 visible ASCII characters' }],
  [
    'a name with a space',
    { ...limit, clientOrderId: 'a b' },
    { client_order_id: 'must have 1 to 64 visible ASCII characters' },
  ],
  [
    '17 keys',
    { ...limit, metadata: Object.fromEntries([...Array(17).keys()].map((n) => [`k${n}`, n])) },
    { metadata: 'has more than 16 keys' },
  ],
  ['much metadata', { ...limit, metadata: { k: 'x'.repeat(1_024) } }, { metadata: 'is larger than 1024 bytes' }],
  [
    'nothing at all',
    { symbol: '', side: 0, type: 0, quantity: '' },
    {
      symbol: 'is required',
      side: 'must be buy or sell',
      type: 'must be limit or market',
      quantity: 'is required',
    },
  ],
  [
    'numbers that are none, beside what is missing',
    { ...limit, side: 0, price: '1,5', quantity: 'ten' },
    {
      side: 'must be buy or sell',
      price: 'must be a decimal number such as "1.25"',
      quantity: 'must be a decimal number such as "1.25"',
    },
  ],
  [
    'two things at once',
    { ...limit, price: '0.01', quantity: '0.00001' },
    {
      price: 'must be a whole multiple of the tick size 0.05',
      quantity: 'must be a whole multiple of the lot size 0.0001',
    },
  ],
])('%s is refused', (_, request, details) => {
  expect(place(request)).toEqual(details)
})

test.each<[string, Init, object]>([
  [
    'a limit buy',
    limit,
    {
      priceTicks: 1_000_000n,
      quantityLots: 10_000n,
      holdAsset: 'THB',
      receiveAsset: 'BTC',
      holdAmount: 5_000_000n,
      timeInForce: TimeInForce.GTC,
    },
  ],
  ['a limit sell', { ...limit, side: SELL }, { holdAsset: 'BTC', receiveAsset: 'THB', holdAmount: 100_000_000n }],
  [
    'trailing zeros',
    { ...limit, price: '50000.000', quantity: '1.00000' },
    { priceTicks: 1_000_000n, quantityLots: 10_000n },
  ],
  ['exactly the least notional', { ...limit, price: '10' }, { priceTicks: 200n }],
  [
    'a market sell below the least notional',
    { ...byMarket, quantity: '0.0001' },
    { priceTicks: null, timeInForce: TimeInForce.IOC },
  ],
  ['a market order that asks to rest', { ...byMarket, timeInForce: TimeInForce.GTC }, { timeInForce: TimeInForce.IOC }],
  ['fill or kill', { ...byMarket, timeInForce: TimeInForce.FOK }, { timeInForce: TimeInForce.FOK }],
  ['the rates of the market', limit, { makerFeeBps: 10, takerFeeBps: 20 }],
])('%s is planned', (_, request, plan) => {
  expect(place(request)).toMatchObject(plan)
})

test.each([
  MarketStatus.PRE_OPEN,
  MarketStatus.CANCEL_ONLY,
  MarketStatus.HALTED,
  MarketStatus.DELISTED,
  MarketStatus.UNSPECIFIED,
])('what a market of status %s makes of an order is the engine’s to say', (status) => {
  expect(place(limit, position({ status }))).toEqual(place(limit))
})
