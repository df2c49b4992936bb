import type { Tx } from '@bitka/store'
import { and, asc, desc, eq, gt, gte, inArray, lt, max, type SQL, sql, sum } from 'drizzle-orm'
import type { Fill } from '../domain/fill.ts'
import { fills, type Orm } from './tables.ts'

/** A fill with its place in the order in which fills were stored. */
export type StoredFill = Fill & { seq: bigint }

export async function insert(tx: Tx, made: readonly Fill[]): Promise<void> {
  if (made.length === 0) return
  await tx.query(
    `insert into fills (fill_id, order_id, user_id, symbol, side, trade_number, price_ticks, quantity_lots, quote_amount,
       fee, fee_asset, liquidity, executed_at)
     select fill_id, order_id, user_id, symbol, side, trade_number, price_ticks, quantity_lots, quote_amount, fee,
       fee_asset, liquidity, executed_at
     from unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::smallint[], $6::bigint[], $7::bigint[], $8::bigint[],
         $9::numeric[], $10::numeric[], $11::text[], $12::smallint[], $13::timestamptz[]) with ordinality
       as f (fill_id, order_id, user_id, symbol, side, trade_number, price_ticks, quantity_lots, quote_amount, fee,
         fee_asset, liquidity, executed_at, place)
     order by place`,
    [
      made.map((f) => f.fillId),
      made.map((f) => f.orderId),
      made.map((f) => f.userId),
      made.map((f) => f.symbol),
      made.map((f) => f.side),
      made.map((f) => f.tradeNumber),
      made.map((f) => f.priceTicks),
      made.map((f) => f.quantityLots),
      made.map((f) => f.quoteAmount),
      made.map((f) => f.fee),
      made.map((f) => f.feeAsset),
      made.map((f) => f.liquidity),
      made.map((f) => f.executedAt),
    ],
  )
}

/** The fills of some orders, oldest first, by order. */
export async function ofOrders({ orm }: Orm, orderIds: readonly string[]): Promise<Map<string, StoredFill[]>> {
  const byOrder = new Map<string, StoredFill[]>()
  if (orderIds.length === 0) return byOrder
  const rows = await orm
    .select()
    .from(fills)
    .where(inArray(fills.orderId, [...orderIds]))
    .orderBy(asc(fills.seq))
  for (const fill of rows) {
    const own = byOrder.get(fill.orderId)
    if (own) own.push(fill)
    else byOrder.set(fill.orderId, [fill])
  }
  return byOrder
}

export type FillFilter = {
  userId: string
  symbol?: string | undefined
  orderId?: string | undefined
  from?: Date | undefined
  to?: Date | undefined
}

/** The place of a fill in the list. */
export type FillPlace = { executedAt: Date; seq: bigint }

const conditions = ({ userId, symbol, orderId, from, to }: FillFilter): SQL | undefined =>
  and(
    eq(fills.userId, userId),
    symbol === undefined ? undefined : eq(fills.symbol, symbol),
    orderId === undefined ? undefined : eq(fills.orderId, orderId),
    from === undefined ? undefined : gte(fills.executedAt, from),
    to === undefined ? undefined : lt(fills.executedAt, to),
  )

const isAfter = ({ executedAt, seq }: FillPlace): SQL =>
  sql`(${fills.executedAt}, ${fills.seq}) < (${sql.param(executedAt, fills.executedAt)}, ${sql.param(seq, fills.seq)})`

/** A page of a user's fills, newest first. */
export function list(
  { orm }: Orm,
  filter: FillFilter,
  page: { after?: FillPlace | undefined; offset?: number; limit: number },
): Promise<StoredFill[]> {
  return orm
    .select()
    .from(fills)
    .where(and(conditions(filter), page.after && isAfter(page.after)))
    .orderBy(desc(fills.executedAt), desc(fills.seq))
    .limit(page.limit)
    .offset(page.offset ?? 0)
}

export const count = ({ orm }: Orm, filter: FillFilter): Promise<number> => orm.$count(fills, conditions(filter))

/** Where a user's fill is in the order of storing; undefined when it is not the user's. */
export async function seqOf({ orm }: Orm, userId: string, fillId: string): Promise<bigint | undefined> {
  const [row] = await orm
    .select({ seq: fills.seq })
    .from(fills)
    .where(and(eq(fills.fillId, fillId), eq(fills.userId, userId)))
  return row?.seq
}

/** The last place in the order of storing that a user's fills have. */
export async function lastSeq({ orm }: Orm, userId: string): Promise<bigint> {
  const [row] = await orm
    .select({ seq: max(fills.seq) })
    .from(fills)
    .where(eq(fills.userId, userId))
  return row?.seq ?? 0n
}

/** A user's fills after a place, oldest first. */
export function after({ orm }: Orm, userId: string, seq: bigint, limit: number): Promise<StoredFill[]> {
  return orm
    .select()
    .from(fills)
    .where(and(eq(fills.userId, userId), gt(fills.seq, seq)))
    .orderBy(asc(fills.seq))
    .limit(limit)
}

/** What a user has traded since a time, in minor units of quote, by market. */
export async function volumes({ orm }: Orm, userId: string, since: Date): Promise<Map<string, bigint>> {
  const rows = await orm
    .select({ symbol: fills.symbol, volume: sum(fills.quoteAmount) })
    .from(fills)
    .where(and(eq(fills.userId, userId), gte(fills.executedAt, since)))
    .groupBy(fills.symbol)
  return new Map(rows.map(({ symbol, volume }) => [symbol, BigInt(volume ?? 0)]))
}

/** One run of results at a time, so that fills are numbered in the order of their commits. First in its transaction. */
export async function lockNumbers(tx: Tx): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('order.results', 0))`)
}
