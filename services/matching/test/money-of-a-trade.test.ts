import type { Outcome, Trade } from '../src/domain/result.ts'
import { Desk } from './text.ts'

const trades = ({ results }: Outcome): Trade[] => results.filter((result) => result.kind === 'trade')

describe('money of a trade', () => {
  // One lot at one tick is 0.05 × 0.03 = 0.0015 quote, which is 0.15 minor units.
  const thirds = { tickSize: '0.05', lotSize: '0.03', baseDecimals: 2, quoteDecimals: 2 }

  it('rounds over the whole order, up for the buyer and down for the seller', () => {
    const desk = new Desk(thirds)
    desk.order('bid 3 x 9 max 99', 'buyer', 'alice')
    const each = [1, 2, 3, 3].map((lots) => trades(desk.order(`sell ${lots} @ 3`, `seller-${lots}`, 'bob'))[0]!)
    // Exact sums 0.45, 1.35, 2.7, 4.05: the buyer has paid 1, 2, 3, 5.
    expect(each.map(({ maker }) => maker.quote)).toEqual([1n, 1n, 1n, 2n])
    // Each seller is an order of its own: 0.45, 0.9, 1.35, 1.35.
    expect(each.map(({ taker }) => taker.quote)).toEqual([0n, 0n, 1n, 1n])
    expect(each.map(({ rounding }) => rounding)).toEqual([1n, 1n, 0n, 1n])
    expect(each.map(({ maker }) => maker.holdAfter)).toEqual([4n, 3n, 2n, 0n])
    expect(each.map(({ base }) => base)).toEqual([3n, 6n, 9n, 9n])
  })

  it('may take from rounding in one trade what earlier ones gave', () => {
    const desk = new Desk(thirds)
    desk.order('bid 2 x 3 max 99', 'waiting', 'alice')
    const first = desk.order('sell 1 @ 2', 's1', 'carol') // alice pays 1 for 0.3, carol gets nothing
    desk.order('bid 5 x 1 max 99', 'better', 'bob')
    // bob pays 1 for 0.75; then alice stands at 0.6 and pays nothing, while the seller stands at 1.05 and gets 1.
    const second = desk.order('sell 2 @ 2', 's2', 'carol')
    expect([first, second].flatMap(trades).map(({ rounding }) => rounding)).toEqual([1n, 1n, -1n])
  })

  it('takes fees in the asset received, rounded up over the order', () => {
    const desk = new Desk()
    desk.order('bid 100 x 1000 fee 10/0', 'buyer', 'alice')
    const sales = [1, 400, 599].map((lots) => trades(desk.order(`sell ${lots} @ 100 fee 0/25`, `s${lots}`, 'bob'))[0]!)
    // 0.1 % of 1, 401 and 1000 base bought: 1 in all, charged with the first fill.
    expect(sales.map(({ maker }) => [maker.fee, maker.feeAsset])).toEqual([
      [1n, 'base'],
      [0n, 'base'],
      [0n, 'base'],
    ])
    // 0.25 % of 100, 40 000 and 59 900 quote.
    expect(sales.map(({ taker }) => [taker.fee, taker.feeAsset])).toEqual([
      [1n, 'quote'],
      [100n, 'quote'],
      [150n, 'quote'],
    ])
  })

  it('keeps the fees of both roles apart', () => {
    const desk = new Desk().rest('bid 100 x 3')
    const took = trades(desk.order('sell 10 @ 100 fee 1/10000', 'seller', 'bob'))[0]!
    expect(took.taker).toMatchObject({ quote: 300n, fee: 300n, remainingLots: 7 })
    const made = trades(desk.order('buy 7 @ 100', 'buyer', 'alice'))[0]!
    // One hundredth of a percent of the 700 received as maker, not of 1000.
    expect(made.maker).toMatchObject({ quote: 700n, fee: 1n, filledLots: 10, remainingLots: 0, holdAfter: 0n })
  })

  it('keeps the fees of both roles apart for a buyer too', () => {
    const desk = new Desk().rest('ask 100 x 3000')
    const took = trades(desk.order('buy 10000 @ 100 fee 1/10', 'buyer', 'alice'))[0]!
    expect(took.taker).toMatchObject({ fee: 3n, feeAsset: 'base' })
    const made = [1, 6999].map((lots) => trades(desk.order(`sell ${lots} @ 100`, `s${lots}`, 'bob'))[0]!)
    // 0.01 % of the 1 and the 7000 bought as maker: 1 in all, whatever was bought as taker before.
    expect(made.map(({ maker }) => maker.fee)).toEqual([1n, 0n])
  })

  it('keeps of a sell what it has not sold', () => {
    const desk = new Desk({ lotSize: '3' }).rest('ask 100 x 7 max 0')
    const sales = [2, 5].map((lots) => trades(desk.order(`buy ${lots} @ 100 max 9999`, `b${lots}`, 'bob'))[0]!)
    expect(sales.map(({ maker }) => [maker.remainingLots, maker.holdAfter])).toEqual([
      [5, 15n],
      [0, 0n],
    ])
  })

  it('keeps of a buy by amount what it has not paid', () => {
    const desk = new Desk().rest('ask 101 x 1, ask 102 x 1, ask 103 x 9')
    const outcome = desk.order('buy market spend max 310')
    expect(trades(outcome).map(({ taker }) => [taker.quote, taker.holdAfter, taker.filledLots])).toEqual([
      [101n, 209n, 1],
      [102n, 107n, 2],
      [103n, 4n, 3],
    ])
    expect(outcome.results.find((result) => result.kind === 'closed' && result.orderId === 'in')).toMatchObject({
      reason: 'filled',
      holdAfter: 0n,
    })
  })

  it('gives back at once what a better price saved', () => {
    const desk = new Desk().rest('ask 90 x 4')
    const [trade] = trades(desk.order('buy 10 @ 100'))
    // 1000 held, 360 paid, 600 needed for the rest.
    expect(trade?.taker).toMatchObject({ quote: 360n, holdAfter: 600n })
  })

  it('is exact beyond 2^53', () => {
    const desk = new Desk({ tickSize: '0.01', lotSize: '0.00000001', baseDecimals: 8, quoteDecimals: 2 })
    const price = 300_000_001
    const lots = 123_456_789_011
    const exact = BigInt(price) * BigInt(lots)
    desk.order(`ask ${price} x ${lots}`, 'seller', 'bob')
    const [trade] = trades(desk.order(`buy ${lots} @ ${price} max 999999999999999`, 'buyer', 'alice'))
    expect(trade?.taker.quote).toBe((exact + 99_999_999n) / 100_000_000n)
    expect(trade?.maker.quote).toBe(exact / 100_000_000n)
  })
})
