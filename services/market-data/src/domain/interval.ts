import { CandleInterval } from '@bitka/proto/bitka/market_data/v1/market_data_pb'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** 1970-01-05, the first Monday of UTC milliseconds. */
const MONDAY_MS = 4 * DAY_MS

/** How much time a candle covers. All begin at whole intervals of UTC, weeks on Monday. */
export type Interval = { readonly code: CandleInterval; readonly ms: number; readonly originMs: number }

const interval = (code: CandleInterval, ms: number, originMs = 0): Interval => ({ code, ms, originMs })

export const oneMinute = interval(CandleInterval.ONE_MINUTE, MINUTE_MS)
export const oneHour = interval(CandleInterval.ONE_HOUR, HOUR_MS)

/** Every interval that has candles, shortest first. */
export const intervals: readonly Interval[] = [
  oneMinute,
  interval(CandleInterval.FIVE_MINUTES, 5 * MINUTE_MS),
  interval(CandleInterval.FIFTEEN_MINUTES, 15 * MINUTE_MS),
  interval(CandleInterval.THIRTY_MINUTES, 30 * MINUTE_MS),
  oneHour,
  interval(CandleInterval.FOUR_HOURS, 4 * HOUR_MS),
  interval(CandleInterval.ONE_DAY, DAY_MS),
  interval(CandleInterval.ONE_WEEK, 7 * DAY_MS, MONDAY_MS),
]

const byCode = new Map(intervals.map((one) => [one.code, one]))

/** Undefined for "unspecified" and for what a newer contract may know. */
export const intervalOf = (code: CandleInterval): Interval | undefined => byCode.get(code)

/** Where the interval that contains a time begins. */
export const startOf = ({ ms, originMs }: Interval, timeMs: number): number =>
  Math.floor((timeMs - originMs) / ms) * ms + originMs
