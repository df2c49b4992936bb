import type { Queryable, Tx } from '@bitka/store'
import type { Fill } from '../domain/fill.ts'
import { type FillRow, fillColumns, type StoredFill, toFill } from './rows.ts'

export async function insert(tx: Tx, fills: readonly Fill[]): Promise<void> {
  if (fills.length === 0) return
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
      fills.map((f) => f.fillId),
      fills.map((f) => f.orderId),
      fills.map((f) => f.userId),
      fills.map((f) => f.symbol),
      fills.map((f) => f.side),
      fills.map((f) => f.tradeNumber),
      fills.map((f) => f.priceTicks),
      fills.map((f) => f.quantityLots),
      fills.map((f) => f.quoteAmount),
      fills.map((f) => f.fee),
      fills.map((f) => f.feeAsset),
      fills.map((f) => f.liquidity),
      fills.map((f) => f.executedAt),
    ],
  )
}

/** The fills of some orders, oldest first, by order. */
export async function ofOrders(db: Queryable, orderIds: readonly string[]): Promise<Map<string, StoredFill[]>> {
  const byOrder = new Map<string, StoredFill[]>()
  if (orderIds.length === 0) return byOrder
  const { rows } = await db.query<FillRow>(
    `select ${fillColumns} from fills where order_id = any ($1::uuid[]) order by seq`,
    [orderIds],
  )
  for (const row of rows) {
    const fills = byOrder.get(row.order_id)
    if (fills) fills.push(toFill(row))
    else byOrder.set(row.order_id, [toFill(row)])
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

function conditions(filter: FillFilter): { where: string; params: unknown[] } {
  const params: unknown[] = [filter.userId]
  const parts = ['user_id = $1']
  const add = (sql: (place: string) => string, value: unknown) => parts.push(sql(`$${params.push(value)}`))
  if (filter.symbol !== undefined) add((at) => `symbol = ${at}`, filter.symbol)
  if (filter.orderId !== undefined) add((at) => `order_id = ${at}::uuid`, filter.orderId)
  if (filter.from !== undefined) add((at) => `executed_at >= ${at}`, filter.from)
  if (filter.to !== undefined) add((at) => `executed_at < ${at}`, filter.to)
  return { where: parts.join(' and '), params }
}

/** A page of a user's fills, newest first. */
export async function list(
  db: Queryable,
  filter: FillFilter,
  page: { after?: FillPlace | undefined; offset?: number; limit: number },
): Promise<StoredFill[]> {
  const { where, params } = conditions(filter)
  const after = page.after
    ? ` and (executed_at, seq) < ($${params.push(page.after.executedAt)}, $${params.push(page.after.seq)})`
    : ''
  const limit = `limit $${params.push(page.limit)} offset $${params.push(page.offset ?? 0)}`
  const { rows } = await db.query<FillRow>(
    `select ${fillColumns} from fills where ${where}${after} order by executed_at desc, seq desc ${limit}`,
    params,
  )
  return rows.map(toFill)
}

export async function count(db: Queryable, filter: FillFilter): Promise<bigint> {
  const { where, params } = conditions(filter)
  const { rows } = await db.query<{ count: bigint }>(`select count(*) as count from fills where ${where}`, params)
  return rows[0]?.count ?? 0n
}

/** Where a user's fill is in the order of storing; undefined when it is not the user's. */
export async function seqOf(db: Queryable, userId: string, fillId: string): Promise<bigint | undefined> {
  const { rows } = await db.query<{ seq: bigint }>('select seq from fills where fill_id = $1 and user_id = $2', [
    fillId,
    userId,
  ])
  return rows[0]?.seq
}

/** The last place in the order of storing that a user's fills have. */
export async function lastSeq(db: Queryable, userId: string): Promise<bigint> {
  const { rows } = await db.query<{ seq: bigint | null }>('select max(seq) as seq from fills where user_id = $1', [
    userId,
  ])
  return rows[0]?.seq ?? 0n
}

/** A user's fills after a place, oldest first. */
export async function after(db: Queryable, userId: string, seq: bigint, limit: number): Promise<StoredFill[]> {
  const { rows } = await db.query<FillRow>(
    `select ${fillColumns} from fills where user_id = $1 and seq > $2 order by seq limit $3`,
    [userId, seq, limit],
  )
  return rows.map(toFill)
}

/** What a user has traded since a time, in minor units of quote, by market. */
export async function volumes(db: Queryable, userId: string, since: Date): Promise<Map<string, bigint>> {
  const { rows } = await db.query<{ symbol: string; volume: string }>(
    `select symbol, sum(quote_amount) as volume from fills where user_id = $1 and executed_at >= $2 group by symbol`,
    [userId, since],
  )
  return new Map(rows.map((row) => [row.symbol, BigInt(row.volume)]))
}

/** One run of results at a time, so that fills are numbered in the order of their commits. First in its transaction. */
export async function lockNumbers(tx: Tx): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('order.results', 0))`)
}
