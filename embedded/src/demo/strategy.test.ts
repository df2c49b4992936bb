import { Market } from './market.ts'
import { seededRandom } from './random.ts'
import { DriftingPrice, inventory, nextTake, quotesAround, reconcile } from './strategy.ts'

const plan = { levels: 2, halfSpread: 0.001, lots: 10, skew: 0.5 }

describe('the fair price', () => {
  it('is the same walk for the same seed, and stays near home', () => {
    const walk = (seed: number) => {
      const price = new DriftingPrice(100_000, seededRandom(seed))
      return Array.from({ length: 5_000 }, () => {
        price.move()
        return price.ticks
      })
    }
    expect(walk(1)).toEqual(walk(1))
    expect(walk(1)).not.toEqual(walk(2))
    expect(Math.max(...walk(3).map((ticks) => Math.abs(ticks - 100_000)))).toBeLessThan(2_000)
  })
})

describe('quotes', () => {
  it('stand around the fair price', () => {
    expect(quotesAround(100_000, 0, plan)).toEqual([
      { side: 'buy', ticks: 99_900, lots: 10 },
      { side: 'sell', ticks: 100_100, lots: 10 },
      { side: 'buy', ticks: 99_800, lots: 10 },
      { side: 'sell', ticks: 100_200, lots: 10 },
    ])
  })

  test.each([
    [1, 99_850, 100_050], // too much of the base asset: cheaper, to sell
    [-1, 99_950, 100_150], // too little: dearer, to buy
  ])('move against an inventory of %s', (share, bid, ask) => {
    expect(
      quotesAround(100_000, share, plan)
        .slice(0, 2)
        .map(({ ticks }) => ticks),
    ).toEqual([bid, ask])
  })

  it('never cross, however low the price', () => {
    for (const fair of [1, 2, 3]) {
      const quotes = quotesAround(fair, 0, plan)
      const bids = quotes.filter(({ side }) => side === 'buy').map(({ ticks }) => ticks)
      const asks = quotes.filter(({ side }) => side === 'sell').map(({ ticks }) => ticks)
      expect(Math.max(...bids)).toBeLessThan(Math.min(...asks))
    }
  })
})

test.each([
  [0, 100, -1],
  [50, 50, 0],
  [100, 0, 1],
  [0, 0, 0],
])('inventory of %s base and %s quote', (base, quote, share) => {
  expect(inventory(base, quote)).toBe(share)
})

describe('reconcile', () => {
  const resting = (orderId: string, side: 'buy' | 'sell', ticks: number, lots = 10) => ({ orderId, side, ticks, lots })
  const quotes = [
    { side: 'buy', ticks: 100, lots: 10 },
    { side: 'sell', ticks: 110, lots: 10 },
  ] as const

  test.each([
    ['places all in an empty book', [], [], [100, 110]],
    ['keeps what is near enough', [resting('a', 'buy', 98), resting('b', 'sell', 112)], [], []],
    ['moves what is too far', [resting('a', 'buy', 97), resting('b', 'sell', 110)], ['a'], [100]],
    ['renews what is mostly filled', [resting('a', 'buy', 100, 4), resting('b', 'sell', 110)], ['a'], [100]],
    [
      'cancels what is too many',
      [resting('a', 'buy', 100), resting('b', 'buy', 100), resting('c', 'sell', 110)],
      ['b'],
      [],
    ],
    ['does not take a side for the other', [resting('a', 'sell', 100)], ['a'], [100, 110]],
  ])('%s', (_name, orders, cancel, place) => {
    const plan = reconcile(orders, quotes, 2)
    expect({ cancel: plan.cancel, place: plan.place.map(({ ticks }) => ticks) }).toEqual({ cancel, place })
  })
})

it('takers buy and sell alike, a lot at least', () => {
  const random = seededRandom(7)
  const takes = Array.from({ length: 2_000 }, () => nextTake(random, 1))
  const buys = takes.filter(({ side }) => side === 'buy').length
  expect(buys).toBeGreaterThan(900)
  expect(buys).toBeLessThan(1_100)
  expect(Math.min(...takes.map(({ lots }) => lots))).toBe(1)
  expect(Math.max(...takes.map(({ pauseMs }) => pauseMs))).toBeLessThanOrEqual(5_000)
})

it('a market counts in whole ticks and lots', () => {
  const market = new Market({
    symbol: 'ETH-THB',
    base_asset: 'ETH',
    quote_asset: 'THB',
    tick_size: '0.05',
    lot_size: '0.00001',
    active: true,
    status: 'trading',
    min_quantity: '0.00001',
    max_quantity: '1000',
    min_notional: '1',
    price_band_bps: 1000,
    maker_fee_bps: 10,
    taker_fee_bps: 20,
    base_decimals: 18,
    quote_decimals: 2,
  })
  expect(market.priceOf(3)).toBe('0.15')
  expect(market.quantityOf(123_456)).toBe('1.23456')
  expect(market.ticksOf('60000')).toBe(1_200_000)
  expect(market.lotsOf('0.000019999999999999')).toBe(1)
})
