import type { MethodImpl } from '@bitka/mesh'
import type { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import type { LiveMarkets } from '../live/live-markets.ts'
import { readLimit, readMarket } from './decode.ts'
import { encodeBook } from './encode.ts'

/** The book of a market as it is now. */
export const getOrderBook =
  (markets: LiveMarkets): MethodImpl<typeof MarketDataService.method.getOrderBook> =>
  async (request) => {
    const depth = readLimit(request.depth, 20, 'depth')
    const { market, notation, book } = readMarket(markets, request.symbol)
    return { book: encodeBook(market.symbol, notation, book.snapshot(depth)) }
  }
