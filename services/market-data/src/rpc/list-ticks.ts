import type { MethodImpl } from '@bitka/mesh'
import type { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { cursorTime, cutPage, type Db, decodeCursor, pagination } from '@bitka/store'
import { z } from 'zod'
import type { LiveMarkets } from '../live/live-markets.ts'
import { countTicks, listTicks as readTicks, type TickPlace } from '../store/ticks.ts'
import { readLimit, readMarket, readSpan } from './decode.ts'
import { encodeTick } from './encode.ts'

/** Time and number of the last trade of the page before. */
const cursorShape = z.tuple([z.int().min(0), z.string().regex(/^[1-9][0-9]{0,17}$/)])

const readPlace = (cursor: string | undefined): TickPlace | undefined => {
  if (cursor === undefined) return undefined
  return decodeCursor(cursor, (key) => {
    const [timeMs, number] = cursorShape.parse(key)
    return { time: cursorTime(timeMs), number: BigInt(number) }
  })
}

/** Trades of a market, newest first. */
export const listTicks =
  (db: Db, markets: LiveMarkets): MethodImpl<typeof MarketDataService.method.listTicks> =>
  async (request) => {
    const limit = readLimit(request.limit, 500)
    const span = readSpan(request)
    const place = readPlace(request.cursor)
    const { market, notation } = readMarket(markets, request.symbol)
    const found = await readTicks(db.orm, market.symbol, span, { limit: limit + 1, place })
    const { items, nextCursor } = cutPage(found, limit, ({ timeMs, number }) => [timeMs, String(number)])
    const counted = place
      ? { perPage: limit }
      : pagination({ page: 1, perPage: limit }, await countTicks(db.orm, market.symbol, span))
    return {
      items: items.map((trade) => encodeTick(market.symbol, notation, trade)),
      pagination: { ...counted, nextCursor },
    }
  }
