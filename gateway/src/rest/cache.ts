import {
  type ListCandlesRequest,
  type ListCandlesResponse,
  MarketDataService,
} from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import type { DescMethod, Message } from '@bufbuild/protobuf'
import { timestampMs } from '@bufbuild/protobuf/wkt'

/** Market data writes a candle some moments after its end. */
const SETTLED_MS = 5_000

/** For how many seconds an answer may be kept. */
type CacheRule = (request: Message, response: Message, nowMs: number) => number | undefined

/** Answers whose Cache-Control depends on what they hold. All others have the contract's, or none is kept. */
const rules = new Map<DescMethod, CacheRule>([
  [
    MarketDataService.method.listCandles,
    (request, response, nowMs) => candles(request as ListCandlesRequest, response as ListCandlesResponse, nowMs),
  ],
])

/** Closed candles never change; but only a question that names its end keeps the same answer. */
function candles({ end }: ListCandlesRequest, { items }: ListCandlesResponse, nowMs: number): number | undefined {
  if (!end || items.length === 0 || timestampMs(end) > nowMs - SETTLED_MS) return undefined
  const closed = items.every(({ endTime }) => endTime && timestampMs(endTime) <= nowMs - SETTLED_MS)
  return closed ? 86_400 : undefined
}

/** The Cache-Control that the content of a success asks for. What needs a token is kept only by who asked. */
export function contentCacheControl(
  method: DescMethod,
  request: Message,
  response: Message,
  { nowMs, needsUser }: { nowMs: number; needsUser: boolean },
): string | undefined {
  const seconds = rules.get(method)?.(request, response, nowMs)
  return seconds === undefined ? undefined : `${needsUser ? 'private' : 'public'}, max-age=${seconds}`
}
