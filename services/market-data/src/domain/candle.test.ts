import { OrderSide } from '@bitka/proto/bitka/common/v1/market_pb'
import { CandleInterval } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import fc from 'fast-check'
import { type Candle, foldTrades, joinBars } from './candle.ts'
import { intervalOf, intervals, startOf } from './interval.ts'
import type { Trade } from './results.ts'

const DAY_MS = 86_400_000

/** Trades in order, over some weeks. */
const trades = fc
  .array(
    fc.record({
      gapMs: fc.oneof(fc.nat(500), fc.nat(20 * 60_000), fc.nat(3 * DAY_MS)),
      ticks: fc.integer({ min: 1, max: 50 }),
      lots: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    }),
    { maxLength: 60 },
  )
  .map((steps) => {
    let timeMs = Date.UTC(2026, 0, 1)
    return steps.map(({ gapMs, ticks, lots }, index): Trade => {
      timeMs += gapMs
      return { number: BigInt(index + 1), timeMs, ticks, lots, side: OrderSide.BUY }
    })
  })

/** What the upsert of the candles table does. */
function store(table: Map<string, Candle>, candles: readonly Candle[]): void {
  for (const candle of candles) {
    const key = `${candle.interval} ${candle.startMs}`
    const known = table.get(key)
    table.set(key, known ? { ...known, ...joinBars(known, candle) } : candle)
  }
}

describe('candles', () => {
  it('are the same however the trades come in batches', () => {
    fc.assert(
      fc.property(trades, fc.array(fc.nat(60), { maxLength: 6 }), (all, cuts) => {
        const places = [0, ...cuts.map((cut) => cut % (all.length + 1)).sort((a, b) => a - b), all.length]
        const table = new Map<string, Candle>()
        for (let at = 1; at < places.length; at += 1) store(table, foldTrades(all.slice(places[at - 1], places[at])))
        const whole = new Map<string, Candle>()
        store(whole, foldTrades(all))
        expect(table).toEqual(whole)
      }),
    )
  })

  it('hold exactly the trades of their time', () => {
    fc.assert(
      fc.property(trades, (all) => {
        for (const candle of foldTrades(all)) {
          const { ms } = intervalOf(candle.interval)!
          const own = all.filter(({ timeMs }) => timeMs >= candle.startMs && timeMs < candle.startMs + ms)
          const prices = own.map(({ ticks }) => ticks)
          expect(candle).toMatchObject({
            open: prices[0],
            close: prices.at(-1),
            high: Math.max(...prices),
            low: Math.min(...prices),
            volume: own.reduce((sum, { lots }) => sum + BigInt(lots), 0n),
            trades: BigInt(own.length),
          })
        }
      }),
    )
  })
})

test.each<[string, CandleInterval, string]>([
  ['2026-03-04T23:59:59.999Z', CandleInterval.ONE_MINUTE, '2026-03-04T23:59:00.000Z'],
  ['2026-03-04T23:59:59.999Z', CandleInterval.FIVE_MINUTES, '2026-03-04T23:55:00.000Z'],
  ['2026-03-04T23:59:59.999Z', CandleInterval.FIFTEEN_MINUTES, '2026-03-04T23:45:00.000Z'],
  ['2026-03-04T23:59:59.999Z', CandleInterval.THIRTY_MINUTES, '2026-03-04T23:30:00.000Z'],
  ['2026-03-04T23:59:59.999Z', CandleInterval.ONE_HOUR, '2026-03-04T23:00:00.000Z'],
  ['2026-03-04T23:59:59.999Z', CandleInterval.FOUR_HOURS, '2026-03-04T20:00:00.000Z'],
  ['2026-03-04T23:59:59.999Z', CandleInterval.ONE_DAY, '2026-03-04T00:00:00.000Z'],
  ['2026-03-08T23:59:59.999Z', CandleInterval.ONE_WEEK, '2026-03-02T00:00:00.000Z'], // Sunday belongs to the Monday before
  ['2026-03-09T00:00:00.000Z', CandleInterval.ONE_WEEK, '2026-03-09T00:00:00.000Z'], // Monday begins
  ['2025-12-31T12:00:00.000Z', CandleInterval.ONE_WEEK, '2025-12-29T00:00:00.000Z'], // weeks go over the year's end
])('%s is in the interval %i that begins at %s', (time, code, start) => {
  expect(new Date(startOf(intervalOf(code)!, Date.parse(time))).toISOString()).toBe(start)
})

test('every interval of the contract has candles', () => {
  const codes = Object.values(CandleInterval).filter((code) => typeof code === 'number' && code > 0)
  expect(intervals.map(({ code }) => code)).toEqual(codes)
})
