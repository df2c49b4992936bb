import type { CancelReason } from '@bitka/proto/bitka/common/v1/market_pb'
import type { Queryable, Tx } from '@bitka/store'
import type { Order, OrderState } from '../domain/order.ts'
import { type OrderRow, orderColumns, toOrder } from './rows.ts'

/** Orders by id, dead ones too. */
export async function byIds(db: Queryable, ids: readonly string[]): Promise<Map<string, Order>> {
  if (ids.length === 0) return new Map()
  const { rows } = await db.query<OrderRow>(`select ${orderColumns} from orders where id = any ($1::uuid[])`, [ids])
  return new Map(rows.map((row) => [row.id, toOrder(row)]))
}

/** One order of a user; undefined for somebody else's and for one that never became an order. */
export async function ofUser(db: Queryable, userId: string, id: string): Promise<Order | undefined> {
  const { rows } = await db.query<OrderRow>(
    `select ${orderColumns} from orders where id = $1 and user_id = $2 and state <> 'dead'`,
    [id, userId],
  )
  return rows[0] && toOrder(rows[0])
}

/** Locks orders, in one order everywhere. After the markets' locks. */
export async function lock(tx: Tx, ids: readonly string[]): Promise<Map<string, Order>> {
  const { rows } = await tx.query<OrderRow>(
    `select ${orderColumns} from orders where id = any ($1::uuid[]) order by id for update`,
    [ids],
  )
  return new Map(rows.map((row) => [row.id, toOrder(row)]))
}

/** The ids, markets and revisions of a user's open orders. */
export async function live(db: Queryable, userId: string): Promise<{ id: string; symbol: string; revision: bigint }[]> {
  const { rows } = await db.query<{ id: string; symbol: string; revision: bigint }>(
    `select id, symbol, revision from orders
     where user_id = $1 and state in ('pending', 'submitted', 'open', 'partially_filled') order by id`,
    [userId],
  )
  return rows
}

/** The ids of a user's orders that were made after another one. */
export async function idsAfter(db: Queryable, userId: string, id: string, limit: number): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    `select id from orders where user_id = $1 and id > $2 and state <> 'dead' order by id limit $3`,
    [userId, id, limit],
  )
  return rows.map((row) => row.id)
}

/** Notes the cancel command that is on its way to each of these. */
export async function setCancelSeq(
  tx: Tx,
  orders: readonly { id: string; cancelSeq: bigint }[],
  now: Date,
): Promise<void> {
  if (orders.length === 0) return
  await tx.query(
    `update orders o set cancel_seq = c.cancel_seq, updated_at = $3
     from unnest($1::uuid[], $2::bigint[]) as c (id, cancel_seq) where o.id = c.id`,
    [orders.map(({ id }) => id), orders.map(({ cancelSeq }) => cancelSeq), now],
  )
}

/** Cancels locked orders that have no command yet; the sweeper then has their holds released. */
export async function cancelPending(tx: Tx, ids: readonly string[], reason: CancelReason, now: Date): Promise<void> {
  if (ids.length === 0) return
  await tx.query(
    `update orders set state = 'cancelled', cancel_reason = $2, release_due = true, claimed_until = null,
       revision = revision + 1, updated_at = $3
     where id = any ($1::uuid[])`,
    [ids, reason, now],
  )
}

/** Stores what results made of locked orders. */
export async function saveApplied(tx: Tx, orders: readonly Order[]): Promise<void> {
  if (orders.length === 0) return
  await tx.query(
    `update orders o set state = n.state, filled_lots = n.filled_lots, reduced_lots = n.reduced_lots,
       quote_total = n.quote_total, cancel_reason = n.cancel_reason, reject_reason = n.reject_reason,
       cancel_seq = n.cancel_seq, revision = o.revision + 1, updated_at = n.updated_at
     from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::numeric[], $6::smallint[], $7::smallint[],
         $8::bigint[], $9::timestamptz[])
       as n (id, state, filled_lots, reduced_lots, quote_total, cancel_reason, reject_reason, cancel_seq, updated_at)
     where o.id = n.id`,
    [
      orders.map((o) => o.id),
      orders.map((o) => o.state),
      orders.map((o) => o.filledLots),
      orders.map((o) => o.reducedLots),
      orders.map((o) => o.quoteTotal),
      orders.map((o) => o.cancelReason),
      orders.map((o) => o.rejectReason),
      orders.map((o) => o.cancelSeq),
      orders.map((o) => o.updatedAt),
    ],
  )
}

export type ListFilter = {
  userId: string
  symbol?: string | undefined
  states?: readonly OrderState[] | undefined
  clientOrderId?: string | undefined
}

function conditions(filter: ListFilter): { where: string; params: unknown[] } {
  const params: unknown[] = [filter.userId]
  const parts = ['user_id = $1']
  const add = (sql: (place: string) => string, value: unknown) => parts.push(sql(`$${params.push(value)}`))
  if (filter.symbol !== undefined) add((at) => `symbol = ${at}`, filter.symbol)
  if (filter.clientOrderId !== undefined) add((at) => `client_order_id = ${at}`, filter.clientOrderId)
  if (filter.states === undefined) parts.push(`state <> 'dead'`)
  else add((at) => `state = any (${at}::text[])`, filter.states)
  // Says again what the unique index is about, or the planner would not take it.
  if (filter.clientOrderId !== undefined) parts.push(`client_order_id is not null and state <> 'dead'`)
  return { where: parts.join(' and '), params }
}

/** A page of a user's orders, newest first; after the order `afterId` or after `offset` orders. */
export async function list(
  db: Queryable,
  filter: ListFilter,
  page: { afterId?: string | undefined; offset?: number; limit: number },
): Promise<Order[]> {
  const { where, params } = conditions(filter)
  const after = page.afterId === undefined ? '' : ` and id < $${params.push(page.afterId)}`
  const limit = `limit $${params.push(page.limit)} offset $${params.push(page.offset ?? 0)}`
  const { rows } = await db.query<OrderRow>(
    `select ${orderColumns} from orders where ${where}${after} order by id desc ${limit}`,
    params,
  )
  return rows.map(toOrder)
}

export async function count(db: Queryable, filter: ListFilter): Promise<bigint> {
  const { where, params } = conditions(filter)
  const { rows } = await db.query<{ count: bigint }>(`select count(*) as count from orders where ${where}`, params)
  return rows[0]?.count ?? 0n
}
