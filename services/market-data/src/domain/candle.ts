import type { CandleInterval } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { intervals, startOf } from './interval.ts'
import type { Trade } from './results.ts'

/** What traded in some span of time: prices in ticks, volume in lots. */
export type Bar = { open: number; high: number; low: number; close: number; volume: bigint; trades: bigint }

export type Candle = Bar & { interval: CandleInterval; startMs: number }

const barOf = ({ ticks, lots }: Trade): Bar => ({
  open: ticks,
  high: ticks,
  low: ticks,
  close: ticks,
  volume: BigInt(lots),
  trades: 1n,
})

/** Two spans as one. The upsert of store/candles.ts does the same to a row. */
export const joinBars = (earlier: Bar, later: Bar): Bar => ({
  open: earlier.open,
  high: Math.max(earlier.high, later.high),
  low: Math.min(earlier.low, later.low),
  close: later.close,
  volume: earlier.volume + later.volume,
  trades: earlier.trades + later.trades,
})

/** The candles of some trades of one market, given in order: of every interval, by interval and then by time. */
export function foldTrades(trades: readonly Trade[]): Candle[] {
  return intervals.flatMap((interval) => {
    const candles: Candle[] = []
    for (const trade of trades) {
      const startMs = startOf(interval, trade.timeMs)
      const last = candles.at(-1)
      const bar = barOf(trade)
      if (last?.startMs === startMs) Object.assign(last, joinBars(last, bar))
      else candles.push({ ...bar, interval: interval.code, startMs })
    }
    return candles
  })
}
