import type { CallOptions, Transport } from '../http/transport.ts'
import type { Page } from '../types/common.ts'
import type {
  BookHistory,
  BookHistoryQuery,
  BookSnapshot,
  Candles,
  CandlesQuery,
  MarketSymbol,
  ServerTime,
  SymbolsQuery,
  Tick,
  TicksQuery,
} from '../types/markets.ts'

/** What anybody may know about the markets. */
export const marketDataApi = (transport: Transport) => ({
  symbols: (query: SymbolsQuery = {}, options?: CallOptions): Promise<Page<MarketSymbol>> =>
    transport.send({ method: 'GET', path: '/v1/marketdata/symbols', query, options }),

  /** Oldest first. */
  candles: (query: CandlesQuery, options?: CallOptions): Promise<Candles> =>
    transport.send({ method: 'GET', path: '/v1/marketdata/candles', query, options }),

  /** Newest first. */
  ticks: (query: TicksQuery, options?: CallOptions): Promise<Page<Tick>> =>
    transport.send({ method: 'GET', path: '/v1/marketdata/ticks', query, options }),

  orderBook: (symbol: string, query: { depth?: number } = {}, options?: CallOptions): Promise<BookSnapshot> =>
    transport.send({
      method: 'GET',
      path: `/v1/marketdata/orderbook/${encodeURIComponent(symbol)}`,
      query,
      options,
    }),

  orderBookHistory: (symbol: string, query: BookHistoryQuery = {}, options?: CallOptions): Promise<BookHistory> =>
    transport.send({
      method: 'GET',
      path: `/v1/marketdata/orderbook/${encodeURIComponent(symbol)}/history`,
      query,
      options,
    }),

  /** The exchange's clock. */
  time: (options?: CallOptions): Promise<ServerTime> => transport.send({ method: 'GET', path: '/v1/time', options }),
})
