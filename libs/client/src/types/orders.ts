import type { CursorQuery, Decimal, Metadata, Time } from './common.ts'

export type Side = 'buy' | 'sell'
export type OrderType = 'limit' | 'market'
export type TimeInForce = 'GTC' | 'IOC' | 'FOK'
export type SelfTradePrevention = 'cancel_newest' | 'cancel_oldest' | 'cancel_both' | 'decrement_and_cancel'
export type OrderStatus = 'pending' | 'open' | 'partially_filled' | 'filled' | 'cancelled' | 'rejected'
export type CancelReason =
  | 'user'
  | 'ioc'
  | 'fok'
  | 'expired'
  | 'self_trade'
  | 'no_liquidity'
  | 'price_band'
  | 'dead_man'
  | 'market_closed'
export type RejectReason =
  | 'post_only_would_take'
  | 'market_halted'
  | 'price_band'
  | 'no_liquidity'
  | 'trigger_passed'
  | 'expired'
  | 'invalid'

export type OrderBody = {
  symbol: string
  side: Side
  type: OrderType
  /** For limit orders. */
  price?: Decimal
  quantity: Decimal
  /** GTC for limit and IOC for market orders when absent. */
  time_in_force?: TimeInForce
  post_only?: boolean
  client_order_id?: string
  self_trade_prevention?: SelfTradePrevention
  metadata?: Metadata
}
export type OrderPlaced = {
  order_id: string
  client_order_id: string | null
  status: 'pending' | 'accepted' | 'rejected'
  message: string
  /** What the engine made of it, when the call asked to wait for it. */
  order?: Order
}

/** One trade of one order. */
export type Fill = {
  fill_id: string
  trade_id: string
  price: Decimal
  quantity: Decimal
  quote_amount: Decimal
  fee: Decimal
  fee_asset: string
  liquidity: 'maker' | 'taker'
  timestamp: Time
}
/** A fill with its order. */
export type OrderFill = Fill & { order_id: string; symbol: string; side: Side }

export type Order = {
  order_id: string
  client_order_id: string | null
  symbol: string
  side: Side
  type: OrderType
  price: Decimal | null
  quantity: Decimal
  filled_quantity: Decimal
  remaining_quantity: Decimal
  status: OrderStatus
  time_in_force: TimeInForce
  post_only: boolean
  self_trade_prevention: SelfTradePrevention
  created_at: Time
  updated_at: Time
  fills: Fill[]
  cancel_reason?: CancelReason
  reject_reason?: RejectReason
  metadata: Metadata
  /** Rises with every change, so that a late update can be told from a new one. */
  revision: number
}
export type OrdersQuery = CursorQuery & {
  symbol?: string
  status?: OrderStatus
  user_id?: string
  client_order_id?: string
}
export type CancelBody = { client_cancel_id?: string; reason?: string }
export type OrderCancelled = { order_id: string; status: 'cancelled' | 'cancel_requested'; message: string }
export type FillsQuery = CursorQuery & { symbol?: string; order_id?: string; from?: Time; to?: Time }

/** What trading costs the caller in one market. */
export type FeeRates = { symbol: string; maker_fee_bps: number; taker_fee_bps: number; volume_30d: Decimal }
