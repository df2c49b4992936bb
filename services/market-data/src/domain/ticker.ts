import { formatMinorFixed } from '@bitka/kernel'
import { type Bar, joinBars } from './candle.ts'
import { oneHour, oneMinute, startOf } from './interval.ts'

const DAY_MS = 24 * 3_600_000

/**
 * The parts that the last 24 hours are read in, from old to new: trades later than `afterMs` up to the next whole minute,
 * minutes up to the next whole hour, hours from there on. Exact to the millisecond, and never more than some 85 rows and the
 * trades of one minute.
 */
export type Window = { afterMs: number; minutesFromMs: number; hoursFromMs: number }

export function windowAt(nowMs: number): Window {
  const afterMs = nowMs - DAY_MS
  const minutesFromMs = startOf(oneMinute, afterMs) + oneMinute.ms
  return { afterMs, minutesFromMs, hoursFromMs: startOf(oneHour, minutesFromMs - 1) + oneHour.ms }
}

/** A market's last 24 hours; prices in ticks, volume in lots. */
export type Summary = { last?: number; open?: number; high?: number; low?: number; volume: bigint }

/** `before`: the price of the last trade at or before the window's begin; `bars`: the window's parts, in order. */
export function summarize(before: number | undefined, bars: readonly Bar[]): Summary {
  const [first, ...rest] = bars
  if (!first) return { last: before, open: before, volume: 0n }
  const { open, high, low, close, volume } = rest.reduce(joinBars, first)
  return { last: close, open: before ?? open, high, low, volume }
}

/** How far `last` is from `open`, in percent with two decimals, rounded half away from zero. */
export function changePercent(open: number, last: number): string {
  const top = (BigInt(last) - BigInt(open)) * 20_000n
  const bottom = 2n * BigInt(open)
  const rounded = top >= 0n ? (top + BigInt(open)) / bottom : -((-top + BigInt(open)) / bottom)
  return formatMinorFixed(rounded, 2)
}
