import type { ServicePolicy } from '@bitka/mesh'
import type { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'

/** Who may call what: everybody, through the gateway, which asks for a token where BITKA_PUBLIC_MARKETDATA says so. */
export const policy: ServicePolicy<typeof MarketDataService> = {
  listSymbols: { kind: 'anonymous' },
  listCandles: { kind: 'anonymous' },
  listTicks: { kind: 'anonymous' },
  getOrderBook: { kind: 'anonymous' },
  getOrderBookHistory: { kind: 'anonymous' },
  getTime: { kind: 'anonymous' },
  streamBook: { kind: 'anonymous' },
  streamTrades: { kind: 'anonymous' },
  streamTickers: { kind: 'anonymous' },
  streamCandles: { kind: 'anonymous' },
}
