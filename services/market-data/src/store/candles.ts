import type { CandleInterval } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import type { Queryable, Tx } from '@bitka/store'
import { and, asc, count, desc, eq, gt, gte, lt, type SQL } from 'drizzle-orm'
import { bigint, numeric, pgTable, smallint, text, timestamp } from 'drizzle-orm/pg-core'
import type { Candle } from '../domain/candle.ts'
import type { Span } from './ticks.ts'

const candles = pgTable('candles', {
  symbol: text('symbol').notNull(),
  interval: smallint('interval_code').$type<CandleInterval>().notNull(),
  startTime: timestamp('start_time', { withTimezone: true, mode: 'date' }).notNull(),
  open: bigint('open_ticks', { mode: 'number' }).notNull(),
  high: bigint('high_ticks', { mode: 'number' }).notNull(),
  low: bigint('low_ticks', { mode: 'number' }).notNull(),
  close: bigint('close_ticks', { mode: 'number' }).notNull(),
  volume: numeric('volume_lots', { precision: 38, scale: 0 }).notNull(),
  trades: bigint('trades', { mode: 'bigint' }).notNull(),
})

type Orm = Tx['orm']

const toCandle = ({ startTime, volume, symbol: _, ...row }: typeof candles.$inferSelect): Candle => ({
  ...row,
  startMs: startTime.getTime(),
  volume: BigInt(volume),
})

type UpsertedRow = {
  symbol: string
  interval_code: CandleInterval
  start_time: Date
  open_ticks: bigint
  high_ticks: bigint
  low_ticks: bigint
  close_ticks: bigint
  volume_lots: string
  trades: bigint
}

/** Adds what traded to the candles; answers them as they are now, by symbol, in order of interval and time. */
export async function upsertCandles(
  tx: Queryable,
  changed: readonly (Candle & { symbol: string })[],
): Promise<Map<string, Candle[]>> {
  const bySymbol = new Map<string, Candle[]>()
  if (changed.length === 0) return bySymbol
  const { rows } = await tx.query<UpsertedRow>(
    `with merged as (
       insert into candles
         (symbol, interval_code, start_time, open_ticks, high_ticks, low_ticks, close_ticks, volume_lots, trades)
       select * from unnest($1::text[], $2::smallint[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[],
         $7::bigint[], $8::numeric[], $9::bigint[])
       on conflict (symbol, interval_code, start_time) do update set
         high_ticks = greatest(candles.high_ticks, excluded.high_ticks),
         low_ticks = least(candles.low_ticks, excluded.low_ticks),
         close_ticks = excluded.close_ticks,
         volume_lots = candles.volume_lots + excluded.volume_lots,
         trades = candles.trades + excluded.trades
       returning *)
     select symbol, interval_code, start_time, open_ticks, high_ticks, low_ticks, close_ticks, volume_lots, trades
     from merged order by symbol, interval_code, start_time`,
    [
      changed.map((candle) => candle.symbol),
      changed.map((candle) => candle.interval),
      changed.map((candle) => new Date(candle.startMs)),
      changed.map((candle) => candle.open),
      changed.map((candle) => candle.high),
      changed.map((candle) => candle.low),
      changed.map((candle) => candle.close),
      changed.map((candle) => candle.volume),
      changed.map((candle) => candle.trades),
    ],
  )
  for (const row of rows) {
    const own = bySymbol.get(row.symbol) ?? []
    own.push({
      interval: row.interval_code,
      startMs: row.start_time.getTime(),
      open: Number(row.open_ticks),
      high: Number(row.high_ticks),
      low: Number(row.low_ticks),
      close: Number(row.close_ticks),
      volume: BigInt(row.volume_lots),
      trades: row.trades,
    })
    bySymbol.set(row.symbol, own)
  }
  return bySymbol
}

const within = (symbol: string, interval: CandleInterval, { start, end }: Span): SQL[] => [
  eq(candles.symbol, symbol),
  eq(candles.interval, interval),
  ...(start ? [gte(candles.startTime, start)] : []),
  ...(end ? [lt(candles.startTime, end)] : []),
]

/** Candles that begin within the span, from its end or from its begin on. */
export async function listCandles(
  orm: Orm,
  symbol: string,
  interval: CandleInterval,
  span: Span,
  page: { limit: number; first: 'oldest' | 'newest'; after?: Date },
): Promise<Candle[]> {
  const where = within(symbol, interval, span)
  if (page.after) where.push((page.first === 'oldest' ? gt : lt)(candles.startTime, page.after))
  const rows = await orm
    .select()
    .from(candles)
    .where(and(...where))
    .orderBy((page.first === 'oldest' ? asc : desc)(candles.startTime))
    .limit(page.limit)
  return rows.map(toCandle)
}

/** Answered from the primary key alone. */
export async function countCandles(orm: Orm, symbol: string, interval: CandleInterval, span: Span): Promise<number> {
  const [row] = await orm
    .select({ total: count() })
    .from(candles)
    .where(and(...within(symbol, interval, span)))
  return row?.total ?? 0
}

/** The newest candle of each interval that has one. */
export async function newestCandles(orm: Orm, symbol: string, intervals: readonly CandleInterval[]): Promise<Candle[]> {
  const found: Candle[] = []
  for (const interval of intervals) {
    found.push(...(await listCandles(orm, symbol, interval, {}, { limit: 1, first: 'newest' })))
  }
  return found
}
