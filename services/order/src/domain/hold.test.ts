import { ceilDiv } from '@bitka/kernel'
import { OrderSide, OrderType } from '@bitka/proto/bitka/common/v1/market_pb'
import fc from 'fast-check'
import { market, position } from '../../test/samples.ts'
import { costOf, holdFor, referenceTicks } from './hold.ts'
import { scaleOf } from './market.ts'

const { BUY, SELL } = OrderSide
const { LIMIT, MARKET } = OrderType

describe('holdFor', () => {
  // tick 0.05 THB, lot 0.0001 BTC, so one tick × one lot is 0.000005 THB: a two-thousandth of a satang.
  const scale = scaleOf(market())
  test.each([
    // side, type, price ticks, lots, last trade, best bid, best ask → hold in minor units
    [BUY, LIMIT, 1_000_000n, 10_000n, null, null, null, 5_000_000n], // 1 BTC at 50,000 THB
    [BUY, LIMIT, 1n, 1n, null, null, null, 1n], // a fraction of a satang is a whole one
    [SELL, LIMIT, 1_000_000n, 10_000n, null, null, null, 100_000_000n], // 1 BTC, whatever its price
    [SELL, MARKET, null, 1n, null, null, null, 10_000n],
    [BUY, MARKET, null, 10_000n, 1_000_000n, 900_000n, 1_100_000n, 5_500_000n], // last trade, and 10 % more
    [BUY, MARKET, null, 10_000n, null, 900_000n, 1_100_000n, 6_050_000n], // else the best ask
    [BUY, MARKET, null, 10_000n, null, 900_000n, null, 0n], // no reference: nothing to hold
  ])(
    'side %s type %s at %s x %s, last %s, bid %s, ask %s',
    (side, type, priceTicks, quantityLots, last, bid, ask, hold) => {
      const at = position({ lastPriceTicks: last, bestBidTicks: bid, bestAskTicks: ask })
      expect(holdFor({ side, type, priceTicks, quantityLots }, market(), scale, at)).toBe(hold)
    },
  )

  it('refers to the best bid for a sell', () => {
    expect(referenceTicks(position({ bestBidTicks: 5n }), SELL)).toBe(5n)
  })
})

const sizes = fc.constantFrom('1', '0.5', '0.05', '0.0001', '0.000003', '7', '25')
const fills = fc.array(fc.record({ better: fc.bigInt(0n, 50n), lots: fc.bigInt(1n, 10_000n) }), {
  minLength: 1,
  maxLength: 30,
})

/** What the engine charges over a run of fills: rounded up over the order, never per fill. */
const paid = (scale: { num: bigint; den: bigint }, run: { ticks: bigint; lots: bigint }[]): bigint => {
  let units = 0n
  let total = 0n
  for (const { ticks, lots } of run) {
    const before = ceilDiv(units * scale.num, scale.den)
    units += ticks * lots
    total += ceilDiv(units * scale.num, scale.den) - before
  }
  return total
}

it('a limit buy is never charged more than its hold, however it is split', () => {
  fc.assert(
    fc.property(sizes, sizes, fc.bigInt(51n, 10n ** 12n), fills, (tickSize, lotSize, limit, run) => {
      const subject = market({ tickSize, lotSize, baseDecimals: 6 })
      const scale = scaleOf(subject)
      const quantityLots = run.reduce((sum, { lots }) => sum + lots, 0n)
      const hold = holdFor({ side: BUY, type: LIMIT, priceTicks: limit, quantityLots }, subject, scale, position())
      const charged = paid(
        scale,
        run.map(({ better, lots }) => ({ ticks: limit - better, lots })),
      )
      expect(charged).toBeLessThanOrEqual(hold)
      // And what stays held after a part of it covers the rest at the limit.
      const half = run.slice(0, Math.ceil(run.length / 2))
      const rest = quantityLots - half.reduce((sum, { lots }) => sum + lots, 0n)
      expect(
        paid(
          scale,
          half.map(({ lots }) => ({ ticks: limit, lots })),
        ) + costOf(scale, limit, rest),
      ).toBeGreaterThanOrEqual(
        paid(
          scale,
          run.map(({ lots }) => ({ ticks: limit, lots })),
        ),
      )
    }),
    { numRuns: 500 },
  )
})

it('a market buy is never charged more than its hold within the band', () => {
  fc.assert(
    fc.property(fc.bigInt(100n, 10n ** 9n), fc.integer({ min: 1, max: 10_000 }), fills, (last, priceBandBps, run) => {
      const subject = market({ priceBandBps })
      const scale = scaleOf(subject)
      const quantityLots = run.reduce((sum, { lots }) => sum + lots, 0n)
      const order = { side: BUY, type: MARKET, priceTicks: null, quantityLots }
      const hold = holdFor(order, subject, scale, position({ lastPriceTicks: last }))
      const highest = (last * BigInt(10_000 + priceBandBps)) / 10_000n
      const charged = paid(
        scale,
        run.map(({ better, lots }) => ({ ticks: highest - better, lots })),
      )
      expect(charged).toBeLessThanOrEqual(hold)
    }),
    { numRuns: 500 },
  )
})
