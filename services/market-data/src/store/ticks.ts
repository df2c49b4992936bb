import type { Queryable, Tx } from '@bitka/store'
import { and, desc, eq, gt, gte, lt, type SQL, sql } from 'drizzle-orm'
import { bigint, pgTable, smallint, text, timestamp } from 'drizzle-orm/pg-core'
import type { Trade } from '../domain/results.ts'

const ticks = pgTable('ticks', {
  symbol: text('symbol').notNull(),
  tradeNumber: bigint('trade_number', { mode: 'bigint' }).notNull(),
  time: timestamp('time', { withTimezone: true, mode: 'date' }).notNull(),
  // Whole ticks and lots of the engine: safe integers.
  priceTicks: bigint('price_ticks', { mode: 'number' }).notNull(),
  quantityLots: bigint('quantity_lots', { mode: 'number' }).notNull(),
  side: smallint('side').$type<Trade['side']>().notNull(),
})

type Orm = Tx['orm']

const toTrade = (row: typeof ticks.$inferSelect): Trade => ({
  number: row.tradeNumber,
  timeMs: row.time.getTime(),
  ticks: row.priceTicks,
  lots: row.quantityLots,
  side: row.side,
})

export async function insertTicks(tx: Queryable, trades: readonly (Trade & { symbol: string })[]): Promise<void> {
  if (trades.length === 0) return
  await tx.query(
    `insert into ticks (symbol, trade_number, time, price_ticks, quantity_lots, side)
     select * from unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::smallint[])`,
    [
      trades.map((trade) => trade.symbol),
      trades.map((trade) => trade.number),
      trades.map((trade) => new Date(trade.timeMs)),
      trades.map((trade) => trade.ticks),
      trades.map((trade) => trade.lots),
      trades.map((trade) => trade.side),
    ],
  )
}

/** From `start` on and before `end`. */
export type Span = { start?: Date; end?: Date }

/** The place of a trade in the list: numbers alone would do, but the index begins with the time. */
export type TickPlace = { time: Date; number: bigint }

const within = (symbol: string, { start, end }: Span): SQL[] => [
  eq(ticks.symbol, symbol),
  ...(start ? [gte(ticks.time, start)] : []),
  ...(end ? [lt(ticks.time, end)] : []),
]

/** Trades newest first, those after `place` in that order. */
export async function listTicks(
  orm: Orm,
  symbol: string,
  span: Span,
  page: { limit: number; place?: TickPlace },
): Promise<Trade[]> {
  const where = within(symbol, span)
  const { place } = page
  if (place) {
    where.push(
      sql`(${ticks.time}, ${ticks.tradeNumber}) < (${place.time.toISOString()}::timestamptz, ${place.number}::bigint)`,
    )
  }
  const rows = await orm
    .select()
    .from(ticks)
    .where(and(...where))
    .orderBy(desc(ticks.time), desc(ticks.tradeNumber))
    .limit(page.limit)
  return rows.map(toTrade)
}

/** How many trades a span has. Numbers have no gaps and rise with time, so its first and last trade say it. */
export async function countTicks(orm: Orm, symbol: string, span: Span): Promise<bigint> {
  const edge = (direction: 'asc' | 'desc') =>
    orm
      .select({ number: ticks.tradeNumber })
      .from(ticks)
      .where(and(...within(symbol, span)))
      .orderBy(sql`${ticks.time} ${sql.raw(direction)}, ${ticks.tradeNumber} ${sql.raw(direction)}`)
      .limit(1)
  const [[first], [last]] = await Promise.all([edge('asc'), edge('desc')])
  return first && last ? last.number - first.number + 1n : 0n
}

/** Trades after a number, oldest first. */
export async function ticksAfter(orm: Orm, symbol: string, number: bigint, limit: number): Promise<Trade[]> {
  const rows = await orm
    .select()
    .from(ticks)
    .where(and(eq(ticks.symbol, symbol), gt(ticks.tradeNumber, number)))
    .orderBy(ticks.tradeNumber)
    .limit(limit)
  return rows.map(toTrade)
}
