import type { Tx } from '@bitka/store'
import { inArray } from 'drizzle-orm'
import { integer, pgTable, smallint, text } from 'drizzle-orm/pg-core'
import type { Market } from '../domain/market.ts'

const markets = pgTable('markets', {
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
  status: smallint('status').$type<Market['status']>().notNull(),
})

type Orm = Tx['orm']

/** The definitions of some markets; of all without a list. */
export async function readMarkets(orm: Orm, symbols?: readonly string[]): Promise<Market[]> {
  return orm
    .select()
    .from(markets)
    .where(symbols && inArray(markets.symbol, [...symbols]))
}

/** One row each: definitions are rare. */
export async function saveMarkets(tx: Tx, changed: readonly Market[]): Promise<void> {
  for (const { symbol, ...rest } of changed) {
    await tx.orm
      .insert(markets)
      .values({ symbol, ...rest })
      .onConflictDoUpdate({ target: markets.symbol, set: rest })
  }
}
