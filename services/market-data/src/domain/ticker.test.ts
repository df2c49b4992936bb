import { OrderSide } from '@bitka/proto/bitka/common/v1/market_pb'
import { CandleInterval } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import fc from 'fast-check'
import { foldTrades } from './candle.ts'
import type { Trade } from './results.ts'
import { changePercent, type Summary, summarize, type Window, windowAt } from './ticker.ts'

const DAY_MS = 86_400_000
const nowMs = Date.UTC(2026, 0, 10, 12, 34, 56, 789)

const tradesUpTo = (endMs: number) =>
  fc
    .array(
      fc.record({
        agoMs: fc.oneof(fc.nat(2 * DAY_MS), fc.integer({ min: DAY_MS - 120_000, max: DAY_MS + 120_000 })),
        ticks: fc.integer({ min: 1, max: 50 }),
        lots: fc.integer({ min: 1, max: 9 }),
      }),
      { maxLength: 40 },
    )
    .map((all) =>
      all
        .sort((a, b) => b.agoMs - a.agoMs)
        .map(({ agoMs, ticks, lots }, index): Trade => {
          return { number: BigInt(index + 1), timeMs: endMs - agoMs, ticks, lots, side: OrderSide.SELL }
        }),
    )

/** The parts as store/ticker.ts reads them from the tables. */
function readParts(all: readonly Trade[], { afterMs, minutesFromMs, hoursFromMs }: Window) {
  const edge = all.filter(({ timeMs }) => timeMs > afterMs && timeMs < minutesFromMs)
  // Trades of one minute are one bar, wherever the minute begins.
  const edgeBars = foldTrades(edge).filter(({ interval }) => interval === CandleInterval.ONE_MINUTE)
  const candles = foldTrades(all)
  const minutes = candles.filter(
    ({ interval, startMs }) =>
      interval === CandleInterval.ONE_MINUTE && startMs >= minutesFromMs && startMs < hoursFromMs,
  )
  const hours = candles.filter(
    ({ interval, startMs }) => interval === CandleInterval.ONE_HOUR && startMs >= hoursFromMs,
  )
  return {
    before: all.filter(({ timeMs }) => timeMs <= afterMs).at(-1)?.ticks,
    bars: [...edgeBars, ...minutes, ...hours],
  }
}

function naive(all: readonly Trade[]): Summary {
  const before = all.filter(({ timeMs }) => timeMs <= nowMs - DAY_MS).at(-1)?.ticks
  const own = all.filter(({ timeMs }) => timeMs > nowMs - DAY_MS)
  const prices = own.map(({ ticks }) => ticks)
  return {
    last: all.at(-1)?.ticks,
    open: before ?? prices[0],
    high: prices.length > 0 ? Math.max(...prices) : undefined,
    low: prices.length > 0 ? Math.min(...prices) : undefined,
    volume: own.reduce((sum, { lots }) => sum + BigInt(lots), 0n),
  }
}

describe('the ticker', () => {
  it('says exactly what the trades of 24 hours say', () => {
    fc.assert(
      fc.property(tradesUpTo(nowMs), (all) => {
        const { before, bars } = readParts(all, windowAt(nowMs))
        expect(bars.length).toBeLessThanOrEqual(1 + 60 + 24)
        expect(summarize(before, bars)).toEqual(naive(all))
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    ['2026-01-10T12:34:56.789Z', '12:34:56.789', '12:35:00.000', '13:00:00.000'],
    ['2026-01-10T12:00:00.000Z', '12:00:00.000', '12:01:00.000', '13:00:00.000'],
    ['2026-01-10T12:59:30.000Z', '12:59:30.000', '13:00:00.000', '13:00:00.000'],
  ])('at %s reads trades after %s, minutes from %s, hours from %s', (now, ...parts) => {
    const window = windowAt(Date.parse(now))
    const times = [window.afterMs, window.minutesFromMs, window.hoursFromMs].map((ms) => new Date(ms).toISOString())
    expect(times).toEqual(parts.map((part) => `2026-01-09T${part}Z`))
  })
})

test.each([
  [100, 100, '0.00'],
  [100, 150, '50.00'],
  [300, 200, '-33.33'],
  [300, 400, '33.33'],
  [600, 601, '0.17'],
  [20_000, 20_001, '0.01'], // half a hundredth, away from zero
  [20_000, 19_999, '-0.01'],
  [1, Number.MAX_SAFE_INTEGER, '900719925474099000.00'],
])('from %i to %i is %s percent', (open, last, percent) => {
  expect(changePercent(open, last)).toBe(percent)
})
