import type { JsonObject } from '@bufbuild/protobuf'
import type { Order, OrderState } from '../domain/order.ts'

/** A row of `orders` as plain SQL gives it, for the statements that place, lock and claim. */
export type OrderRow = {
  id: string
  user_id: string
  client_order_id: string | null
  symbol: string
  side: number
  type: number
  time_in_force: number
  post_only: boolean
  self_trade_prevention: number
  price_ticks: bigint | null
  quantity_lots: bigint
  filled_lots: bigint
  reduced_lots: bigint
  quote_total: string
  hold_asset: string
  receive_asset: string
  hold_amount: string
  maker_fee_bps: number
  taker_fee_bps: number
  state: OrderState
  cancel_reason: number | null
  reject_reason: number | null
  metadata: JsonObject | null
  revision: bigint
  command_seq: bigint | null
  cancel_seq: bigint | null
  created_at: Date
  updated_at: Date
}

export const orderColumns = `id, user_id, client_order_id, symbol, side, type, time_in_force, post_only,
  self_trade_prevention, price_ticks, quantity_lots, filled_lots, reduced_lots, quote_total, hold_asset, receive_asset,
  hold_amount, maker_fee_bps, taker_fee_bps, state, cancel_reason, reject_reason, metadata, revision, command_seq,
  cancel_seq, created_at, updated_at`

export const toOrder = (row: OrderRow): Order => ({
  id: row.id,
  userId: row.user_id,
  clientOrderId: row.client_order_id,
  symbol: row.symbol,
  side: row.side,
  type: row.type,
  timeInForce: row.time_in_force,
  postOnly: row.post_only,
  selfTradePrevention: row.self_trade_prevention,
  priceTicks: row.price_ticks,
  quantityLots: row.quantity_lots,
  filledLots: row.filled_lots,
  reducedLots: row.reduced_lots,
  quoteTotal: BigInt(row.quote_total),
  holdAsset: row.hold_asset,
  receiveAsset: row.receive_asset,
  holdAmount: BigInt(row.hold_amount),
  makerFeeBps: row.maker_fee_bps,
  takerFeeBps: row.taker_fee_bps,
  state: row.state,
  cancelReason: row.cancel_reason,
  rejectReason: row.reject_reason,
  metadata: row.metadata,
  revision: row.revision,
  commandSeq: row.command_seq,
  cancelSeq: row.cancel_seq,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})
