import type {
  CancelReason,
  Liquidity,
  MarketStatus,
  OrderSide,
  OrderType,
  RejectReason,
  SelfTradePrevention,
  TimeInForce,
} from '@bitka/proto/bitka/common/v1/market_pb'
import { bytea, type Tx } from '@bitka/store'
import type { JsonObject } from '@bufbuild/protobuf'
import { bigint, boolean, integer, jsonb, numeric, pgTable, smallint, text, timestamp, uuid } from 'drizzle-orm/pg-core'
import type { OrderState } from '../domain/order.ts'

/** The pool or a transaction. */
export type Orm = Pick<Tx, 'orm'>

const time = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const count = (name: string) => bigint(name, { mode: 'bigint' })
const minor = (name: string) => numeric(name, { precision: 38, scale: 0, mode: 'bigint' })

export const markets = pgTable('markets', {
  symbol: text('symbol').primaryKey(),
  baseAsset: text('base_asset').notNull(),
  quoteAsset: text('quote_asset').notNull(),
  baseDecimals: integer('base_decimals').notNull(),
  quoteDecimals: integer('quote_decimals').notNull(),
  tickSize: text('tick_size').notNull(),
  lotSize: text('lot_size').notNull(),
  minQuantity: text('min_quantity').notNull(),
  maxQuantity: text('max_quantity').notNull(),
  minNotional: text('min_notional').notNull(),
  priceBandBps: integer('price_band_bps').notNull(),
  makerFeeBps: integer('maker_fee_bps').notNull(),
  takerFeeBps: integer('taker_fee_bps').notNull(),
  maxOpenOrders: integer('max_open_orders').notNull(),
  partition: integer('partition').notNull(),
  wantedStatus: smallint('wanted_status').$type<MarketStatus>().notNull(),
  nextCommandSeq: count('next_command_seq').notNull(),
  lastCommandMs: bigint('last_command_ms', { mode: 'number' }).notNull().default(0),
  hadOrder: boolean('had_order').notNull().default(false),
  createdAt: time('created_at').notNull(),
  updatedAt: time('updated_at').notNull(),
})

export const marketPositions = pgTable('market_positions', {
  symbol: text('symbol').primaryKey(),
  lastResultNumber: count('last_result_number').notNull().default(0n),
  lastCommandSeq: count('last_command_seq').notNull().default(0n),
  status: smallint('status').$type<MarketStatus>().notNull().default(0),
  lastPriceTicks: count('last_price_ticks'),
  bestBidTicks: count('best_bid_ticks'),
  bestAskTicks: count('best_ask_ticks'),
})

export const orders = pgTable('orders', {
  id: uuid('id').primaryKey(),
  userId: uuid('user_id').notNull(),
  clientOrderId: text('client_order_id'),
  symbol: text('symbol').notNull(),
  side: smallint('side').$type<OrderSide>().notNull(),
  type: smallint('type').$type<OrderType>().notNull(),
  timeInForce: smallint('time_in_force').$type<TimeInForce>().notNull(),
  postOnly: boolean('post_only').notNull(),
  selfTradePrevention: smallint('self_trade_prevention').$type<SelfTradePrevention>().notNull(),
  priceTicks: count('price_ticks'),
  quantityLots: count('quantity_lots').notNull(),
  filledLots: count('filled_lots').notNull().default(0n),
  reducedLots: count('reduced_lots').notNull().default(0n),
  quoteTotal: minor('quote_total').notNull().default(0n),
  holdAsset: text('hold_asset').notNull(),
  receiveAsset: text('receive_asset').notNull(),
  holdAmount: minor('hold_amount').notNull(),
  makerFeeBps: integer('maker_fee_bps').notNull(),
  takerFeeBps: integer('taker_fee_bps').notNull(),
  state: text('state').$type<OrderState>().notNull(),
  cancelReason: smallint('cancel_reason').$type<CancelReason>(),
  rejectReason: smallint('reject_reason').$type<RejectReason>(),
  metadata: jsonb('metadata').$type<JsonObject>(),
  revision: count('revision').notNull().default(0n),
  commandSeq: count('command_seq'),
  cancelSeq: count('cancel_seq'),
  waitMs: integer('wait_ms').notNull().default(0),
  answer: bytea('answer'),
  createdAt: time('created_at').notNull(),
  updatedAt: time('updated_at').notNull(),
})

export const fills = pgTable('fills', {
  fillId: text('fill_id').primaryKey(),
  seq: count('seq').generatedAlwaysAsIdentity(),
  orderId: uuid('order_id').notNull(),
  userId: uuid('user_id').notNull(),
  symbol: text('symbol').notNull(),
  side: smallint('side').$type<OrderSide>().notNull(),
  tradeNumber: count('trade_number').notNull(),
  priceTicks: count('price_ticks').notNull(),
  quantityLots: count('quantity_lots').notNull(),
  quoteAmount: minor('quote_amount').notNull(),
  fee: minor('fee').notNull(),
  feeAsset: text('fee_asset').notNull(),
  liquidity: smallint('liquidity').$type<Liquidity>().notNull(),
  executedAt: time('executed_at').notNull(),
})
