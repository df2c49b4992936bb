import type { MethodImpl } from '@bitka/mesh'
import type { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { cursorTime, cutPage, type Db, decodeCursor, pagination } from '@bitka/store'
import { z } from 'zod'
import type { LiveMarkets } from '../live/live-markets.ts'
import { countCandles, listCandles as readCandles } from '../store/candles.ts'
import { readInterval, readLimit, readMarket, readSpan } from './decode.ts'
import { encodeCandle } from './encode.ts'

/** Where the page before ended: the start of its candle that is next to the following page. */
const cursorShape = z.int().min(0)

/**
 * Candles of a market, oldest first. With `start`, pages go forward in time from there; without it the first page has the
 * newest candles before `end`, and the following ones older ones.
 */
export const listCandles =
  (db: Db, markets: LiveMarkets): MethodImpl<typeof MarketDataService.method.listCandles> =>
  async (request) => {
    const interval = readInterval(request.interval)
    const limit = readLimit(request.limit, 100)
    const span = readSpan(request)
    const { cursor } = request
    const after = cursor === undefined ? undefined : decodeCursor(cursor, (key) => cursorTime(cursorShape.parse(key)))
    const { market, notation } = readMarket(markets, request.symbol)
    const first = span.start ? 'oldest' : 'newest'
    const found = await readCandles(db.orm, market.symbol, interval.code, span, { limit: limit + 1, first, after })
    const { items, nextCursor } = cutPage(found, limit, ({ startMs }) => startMs)
    // A first page that is the last one needs no count.
    const count = async () =>
      nextCursor === undefined ? items.length : countCandles(db.orm, market.symbol, interval.code, span)
    const counted = after === undefined ? pagination({ page: 1, perPage: limit }, await count()) : { perPage: limit }
    const inOrder = first === 'oldest' ? items : items.reverse()
    return {
      symbol: market.symbol,
      interval: interval.code,
      items: inOrder.map((candle) => encodeCandle(market.symbol, notation, candle)),
      pagination: { ...counted, nextCursor },
    }
  }
