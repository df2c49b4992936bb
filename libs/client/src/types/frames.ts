import type { Time } from './common.ts'
import type { BookChange, Candle, CandleInterval, PriceLevel, Tick, Ticker } from './markets.ts'
import type { Fill, Order, OrderFill, Side } from './orders.ts'

/** The server's answer to what a client said. */
export type AnswerFrame = {
  type: 'subscribed' | 'unsubscribed' | 'authenticated' | 'pong'
  id?: string | number
  channel?: string
  symbol?: string
  interval?: string
}
export type ErrorFrame = {
  type: 'error'
  id?: string | number
  channel?: string
  code: string
  message: string
  details?: Record<string, unknown>
}

export type BookSnapshotFrame = {
  channel: 'orderbook'
  type: 'snapshot'
  symbol: string
  seq: number
  bids: PriceLevel[]
  asks: PriceLevel[]
  checksum: number
  timestamp: Time
}
export type BookUpdateFrame = {
  channel: 'orderbook'
  type: 'update'
  symbol: string
  prev_seq: number
  seq: number
  changes: BookChange[]
  checksum: number
  timestamp: Time
}
export type BookFrame = BookSnapshotFrame | BookUpdateFrame
export type TradesFrame = { channel: 'trades'; type: 'trade'; symbol: string; items: Tick[]; timestamp: Time }
export type TickerFrame = { channel: 'ticker'; type: 'ticker'; timestamp: Time } & Ticker
export type CandleFrame = {
  channel: 'candles'
  type: 'candle'
  symbol: string
  interval: CandleInterval
  candle: Candle
  closed: boolean
  timestamp: Time
}

/** Every frame of a private channel: its number, and the number of the one before. */
type Numbered = { seq: number; prev_seq: number; timestamp: Time }
type PrivateSnapshot<C extends string, T> = Numbered & { channel: C; type: 'snapshot'; items: T[] }
export type Balance = { account_id: string; asset: string; available: string; locked: string; version: number }
export type OrdersFrame =
  | PrivateSnapshot<'orders', Order>
  | (Numbered & { channel: 'orders'; type: 'order'; order: Order })
export type FillsFrame =
  | PrivateSnapshot<'fills', OrderFill>
  | (Numbered & { channel: 'fills'; type: 'fill'; order_id: string; symbol: string; side: Side; fill: Fill })
export type BalancesFrame =
  | PrivateSnapshot<'balances', Balance>
  | (Numbered & { channel: 'balances'; type: 'balance' } & Balance)

export type DataFrame = BookFrame | TradesFrame | TickerFrame | CandleFrame | OrdersFrame | FillsFrame | BalancesFrame
export type ServerFrame = AnswerFrame | ErrorFrame | DataFrame
