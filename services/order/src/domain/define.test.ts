import { DomainError } from '@bitka/kernel'
import { MarketStatus } from '@bitka/proto/bitka/common/v1/market_pb'
import { market } from '../../test/samples.ts'
import { checkChange, checkDefinition, type Definition } from './define.ts'

const assets = [
  { symbol: 'BTC', decimals: 8, isActive: true },
  { symbol: 'THB', decimals: 2, isActive: true },
  { symbol: 'OLD', decimals: 2, isActive: false },
]

const check = (over: Partial<Definition>) => {
  try {
    return checkDefinition(market(over), assets)
  } catch (error) {
    if (error instanceof DomainError) return error.details
    throw error
  }
}

test.each<[string, Partial<Definition>, Record<string, string>]>([
  ['a symbol of other assets', { symbol: 'BTC-USD' }, { symbol: 'must be the base asset, "-" and the quote asset' }],
  ['a market of one asset', { symbol: 'BTC-BTC', quoteAsset: 'BTC' }, { quote_asset: 'must not be the base asset' }],
  ['an unknown asset', { symbol: 'XYZ-THB', baseAsset: 'XYZ' }, { base_asset: 'names no asset of the ledger' }],
  ['a sleeping asset', { symbol: 'BTC-OLD', quoteAsset: 'OLD' }, { quote_asset: 'names an asset that is not active' }],
  ['a tick of nothing', { tickSize: '0' }, { tick_size: 'must be greater than zero' }],
  [
    'a lot of part of a satoshi',
    { lotSize: '0.000000001', minQuantity: '1', maxQuantity: '1' },
    { lot_size: 'has more than 8 decimals' },
  ],
  [
    'a least quantity between lots',
    { minQuantity: '0.00015' },
    { min_quantity: 'must be a whole multiple of the lot size 0.0001' },
  ],
  ['a least quantity of nothing', { minQuantity: '0' }, { min_quantity: 'must be at least one lot' }],
  ['most below least', { minQuantity: '2', maxQuantity: '1' }, { max_quantity: 'must be at least min_quantity' }],
  [
    'more lots than can be counted',
    { lotSize: '0.00000001', maxQuantity: '100' },
    { max_quantity: 'is more lots than the engine can count; use a larger lot_size' },
  ],
  ['a notional finer than the quote', { minNotional: '0.001' }, { min_notional: 'has more than 2 decimals' }],
  [
    'a definition of nothing',
    {
      symbol: '',
      baseAsset: '',
      quoteAsset: '',
      tickSize: '',
      lotSize: '',
      minQuantity: '',
      maxQuantity: '',
      minNotional: '',
    },
    {
      symbol: 'must look like BTC-THB',
      base_asset: 'names no asset of the ledger',
      quote_asset: 'must not be the base asset',
      tick_size: 'must be a decimal number such as "1.25"',
      lot_size: 'must be a decimal number such as "1.25"',
      min_quantity: 'must be a decimal number such as "1.25"',
      max_quantity: 'must be a decimal number such as "1.25"',
      min_notional: 'must be a decimal number such as "1.25"',
    },
  ],
  ['no band', { priceBandBps: 0 }, { price_band_bps: 'must be from 1 to 10000' }],
  ['a rebate', { makerFeeBps: -1 }, { maker_fee_bps: 'must be from 0 to 1000' }],
  ['no open orders', { maxOpenOrders: 0 }, { max_open_orders: 'must be from 1 to 10000' }],
  [
    'no status',
    { wantedStatus: MarketStatus.UNSPECIFIED },
    { status: 'must be pre_open, trading, cancel_only, halted or delisted' },
  ],
])('%s is refused', (_, over, details) => {
  expect(check(over)).toEqual(details)
})

it('writes numbers as short as they can be, and takes the decimals of the assets', () => {
  expect(check({ tickSize: '0.050', maxQuantity: '100.0' })).toMatchObject({
    tickSize: '0.05',
    maxQuantity: '100',
    baseDecimals: 8,
    quoteDecimals: 2,
  })
})

describe('checkChange', () => {
  const refusal = (over: Partial<Definition>, hadOrder: boolean, before = market()) => {
    try {
      checkChange(before, { ...before, ...over }, hadOrder)
      return 'taken'
    } catch (error) {
      return error instanceof DomainError ? [error.kind, Object.keys(error.details)] : error
    }
  }
  test.each<[Partial<Definition>, boolean, unknown]>([
    [{ tickSize: '0.01' }, false, 'taken'],
    [{ tickSize: '0.01' }, true, ['conflict', ['tick_size']]],
    [{ lotSize: '0.01', baseAsset: 'ETH' }, true, ['conflict', ['base_asset', 'lot_size']]],
    [{ makerFeeBps: 1, minQuantity: '1' }, true, 'taken'],
  ])('%j after an order: %s', (over, hadOrder, outcome) => {
    expect(refusal(over, hadOrder)).toEqual(outcome)
  })

  it('never opens a delisted market again', () => {
    const delisted = market({ wantedStatus: MarketStatus.DELISTED })
    expect(refusal({ wantedStatus: MarketStatus.TRADING }, false, delisted)).toEqual(['conflict', []])
    expect(refusal({}, false, delisted)).toBe('taken')
  })
})
