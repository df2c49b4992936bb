import { DomainError, invalidField } from '@bitka/kernel'
import type { CandleInterval } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt'
import { type Interval, intervalOf } from '../domain/interval.ts'
import type { LiveMarkets } from '../live/live-markets.ts'
import type { MarketView } from '../live/market-view.ts'
import type { Span } from '../store/ticks.ts'

/** Times that RFC 3339 can write. */
const SECONDS_MIN = -62_135_596_800n
const SECONDS_MAX = 253_402_300_799n

/** The market that a request names. */
export function readMarket(markets: LiveMarkets, symbol: string): MarketView {
  if (symbol === '') throw invalidField('symbol', 'is required')
  return markets.get(symbol)
}

export function readInterval(code: CandleInterval): Interval {
  const interval = intervalOf(code)
  if (!interval) throw invalidField('interval', 'must be one of 1m, 5m, 15m, 30m, 1h, 4h, 1d, 1w')
  return interval
}

/** A count from 1 to 1000; absent takes the default. */
export function readLimit(value: number | undefined, fallback: number, field = 'limit'): number {
  if (value === undefined) return fallback
  if (value < 1 || value > 1000) throw invalidField(field, 'must be a whole number from 1 to 1000')
  return value
}

function readTime(value: Timestamp | undefined, field: string): Date | undefined {
  if (!value) return undefined
  if (value.seconds < SECONDS_MIN || value.seconds > SECONDS_MAX) throw invalidField(field, 'is no time')
  return new Date(timestampMs(value))
}

/** `start` and `end` of a request. */
export function readSpan(request: { start?: Timestamp; end?: Timestamp }): Span {
  const span = { start: readTime(request.start, 'start'), end: readTime(request.end, 'end') }
  if (span.start && span.end && span.start > span.end) {
    throw new DomainError('invalid', 'The span ends before it starts.', { end: 'must not be before start' })
  }
  return span
}
