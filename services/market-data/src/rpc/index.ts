import type { Clock } from '@bitka/kernel'
import type { ServiceImpl } from '@bitka/mesh'
import type { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import type { Db } from '@bitka/store'
import type { LiveMarkets } from '../live/live-markets.ts'
import type { Tickers } from '../live/tickers.ts'
import { getOrderBook } from './get-order-book.ts'
import { getOrderBookHistory } from './get-order-book-history.ts'
import { getTime } from './get-time.ts'
import { listCandles } from './list-candles.ts'
import { listSymbols } from './list-symbols.ts'
import { listTicks } from './list-ticks.ts'
import { streamBook } from './stream-book.ts'
import { streamCandles } from './stream-candles.ts'
import { streamTickers } from './stream-tickers.ts'
import { streamTrades } from './stream-trades.ts'

/** The service's RPCs, one file each. */
export const marketDataRpcs = (parts: {
  db: Db
  clock: Clock
  markets: LiveMarkets
  tickers: Tickers
}): ServiceImpl<typeof MarketDataService> => {
  const { db, clock, markets, tickers } = parts
  return {
    listSymbols: listSymbols(markets),
    listCandles: listCandles(db, markets),
    listTicks: listTicks(db, markets),
    getOrderBook: getOrderBook(markets),
    getOrderBookHistory: getOrderBookHistory(db, clock, markets),
    getTime: getTime(clock),
    streamBook: streamBook(markets),
    streamTrades: streamTrades(markets),
    streamTickers: streamTickers(markets, tickers),
    streamCandles: streamCandles(markets),
  }
}
