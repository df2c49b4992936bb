import type { Decimal, Page, PageQuery, Time } from './common.ts'
import type { Side } from './orders.ts'

export type MarketStatus = 'pre_open' | 'trading' | 'cancel_only' | 'halted' | 'delisted'

type MarketRules = {
  symbol: string
  base_asset: string
  quote_asset: string
  tick_size: Decimal
  lot_size: Decimal
  min_quantity: Decimal
  max_quantity: Decimal
  min_notional: Decimal
  price_band_bps: number
  status: MarketStatus
  maker_fee_bps: number
  taker_fee_bps: number
}

/** A market as the public sees it. */
export type MarketSymbol = MarketRules & { active: boolean; base_decimals: number; quote_decimals: number }
export type SymbolsQuery = PageQuery & { active?: boolean }

/** A market as operators see it. */
export type Market = MarketRules & { partition: number; max_open_orders: number; created_at: Time }
type Defaulted = 'price_band_bps' | 'status' | 'maker_fee_bps' | 'taker_fee_bps'
export type MarketBody = Omit<MarketRules, Defaulted> &
  Partial<Pick<MarketRules, Defaulted>> & { max_open_orders?: number }
export type MarketChanges = Partial<Omit<MarketBody, 'symbol'>>

export type CandleInterval = '1m' | '5m' | '15m' | '30m' | '1h' | '4h' | '1d' | '1w'
export type Candle = {
  symbol: string
  interval: CandleInterval
  open: Decimal
  high: Decimal
  low: Decimal
  close: Decimal
  volume: Decimal
  start_time: Time
  end_time: Time
}
/** `start` inclusive, `end` exclusive; at most `limit` candles (100 when absent, 1000 at most). */
export type CandlesQuery = {
  symbol: string
  interval: CandleInterval
  start?: Time
  end?: Time
  limit?: number
  cursor?: string
}
export type Candles = Page<Candle> & { symbol: string; interval: CandleInterval }

/** A trade as the public sees it; `side` is the taker's. */
export type Tick = {
  trade_id: string
  symbol: string
  price: Decimal
  quantity: Decimal
  side: Side
  timestamp: Time
}
export type TicksQuery = { symbol: string; start?: Time; end?: Time; limit?: number; cursor?: string }

export type PriceLevel = { price: Decimal; quantity: Decimal }
/** Both sides are best first. */
export type BookSnapshot = {
  symbol: string
  seq: number
  bids: PriceLevel[]
  asks: PriceLevel[]
  timestamp: Time
}
export type BookChange = { side: 'bid' | 'ask'; price: Decimal; quantity: Decimal }
export type BookUpdate = { symbol: string; seq: number; changes: BookChange[]; timestamp: Time }
export type BookHistory = { snapshots: BookSnapshot[]; updates: BookUpdate[] }
export type BookHistoryQuery = { start?: Time; end?: Time; limit?: number }

export type Ticker = {
  symbol: string
  last?: Decimal
  bid?: Decimal
  ask?: Decimal
  open_24h?: Decimal
  high_24h?: Decimal
  low_24h?: Decimal
  volume_24h: Decimal
  change_24h?: Decimal
}

/** The exchange's clock. */
export type ServerTime = { time: Time; epoch_ms: number }
