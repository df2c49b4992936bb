import type { CancelReason } from '@bitka/proto/bitka/common/v1/market_pb'
import type { Tx } from '@bitka/store'
import { preparedRead } from '@bitka/store'
import { and, asc, desc, eq, getTableColumns, gt, inArray, isNotNull, lt, type SQL, sql } from 'drizzle-orm'
import { liveStates, type Order, type OrderState } from '../domain/order.ts'
import { type OrderRow, orderColumns, toOrder } from './rows.ts'
import { type Orm, orders } from './tables.ts'

const { waitMs: _, answer: __, ...fields } = getTableColumns(orders)

// As the indexes say it; a parameter would hide it from the planner.
const isShown = sql`${orders.state} <> 'dead'`

const anyOf = preparedRead((orm) =>
  orm
    .select(fields)
    .from(orders)
    .where(sql`${orders.id} = any (${sql.placeholder('ids')}::uuid[])`)
    .prepare('order.orders_by_id'),
)

/** Orders by id, dead ones too. */
export async function byIds(db: Orm, ids: readonly string[]): Promise<Map<string, Order>> {
  if (ids.length === 0) return new Map()
  const rows = await anyOf(db).execute({ ids })
  return new Map(rows.map((row) => [row.id, row]))
}

/** One order of a user; undefined for somebody else's and for one that never became an order. */
export async function ofUser({ orm }: Orm, userId: string, id: string): Promise<Order | undefined> {
  const [row] = await orm
    .select(fields)
    .from(orders)
    .where(and(eq(orders.id, id), eq(orders.userId, userId), isShown))
  return row
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
export function live({ orm }: Orm, userId: string): Promise<{ id: string; symbol: string; revision: bigint }[]> {
  return orm
    .select({ id: orders.id, symbol: orders.symbol, revision: orders.revision })
    .from(orders)
    .where(and(eq(orders.userId, userId), inArray(orders.state, [...liveStates])))
    .orderBy(asc(orders.id))
}

/** The ids of a user's orders that were made after another one. */
export async function idsAfter({ orm }: Orm, userId: string, id: string, limit: number): Promise<string[]> {
  const rows = await orm
    .select({ id: orders.id })
    .from(orders)
    .where(and(eq(orders.userId, userId), gt(orders.id, id), isShown))
    .orderBy(asc(orders.id))
    .limit(limit)
  return rows.map((row) => row.id)
}

/** Notes the cancel command that is on its way to each of these. */
export async function setCancelSeq(
  tx: Tx,
  asked: readonly { id: string; cancelSeq: bigint }[],
  now: Date,
): Promise<void> {
  if (asked.length === 0) return
  await tx.query(
    `update orders o set cancel_seq = c.cancel_seq, updated_at = $3
     from unnest($1::uuid[], $2::bigint[]) as c (id, cancel_seq) where o.id = c.id`,
    [asked.map(({ id }) => id), asked.map(({ cancelSeq }) => cancelSeq), now],
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
export async function saveApplied(tx: Tx, changed: readonly Order[]): Promise<void> {
  if (changed.length === 0) return
  await tx.query(
    `update orders o set state = n.state, filled_lots = n.filled_lots, reduced_lots = n.reduced_lots,
       quote_total = n.quote_total, cancel_reason = n.cancel_reason, reject_reason = n.reject_reason,
       cancel_seq = n.cancel_seq, revision = o.revision + 1, updated_at = n.updated_at
     from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::numeric[], $6::smallint[], $7::smallint[],
         $8::bigint[], $9::timestamptz[])
       as n (id, state, filled_lots, reduced_lots, quote_total, cancel_reason, reject_reason, cancel_seq, updated_at)
     where o.id = n.id`,
    [
      changed.map((o) => o.id),
      changed.map((o) => o.state),
      changed.map((o) => o.filledLots),
      changed.map((o) => o.reducedLots),
      changed.map((o) => o.quoteTotal),
      changed.map((o) => o.cancelReason),
      changed.map((o) => o.rejectReason),
      changed.map((o) => o.cancelSeq),
      changed.map((o) => o.updatedAt),
    ],
  )
}

export type ListFilter = {
  userId: string
  symbol?: string | undefined
  states?: readonly OrderState[] | undefined
  clientOrderId?: string | undefined
}

const conditions = ({ userId, symbol, states, clientOrderId }: ListFilter): SQL | undefined =>
  and(
    eq(orders.userId, userId),
    symbol === undefined ? undefined : eq(orders.symbol, symbol),
    states === undefined ? isShown : inArray(orders.state, [...states]),
    // Says again what the unique index is about, or the planner would not take it.
    clientOrderId === undefined
      ? undefined
      : and(eq(orders.clientOrderId, clientOrderId), isNotNull(orders.clientOrderId), isShown),
  )

/** A page of a user's orders, newest first; after the order `afterId` or after `offset` orders. */
export function list(
  { orm }: Orm,
  filter: ListFilter,
  page: { afterId?: string | undefined; offset?: number; limit: number },
): Promise<Order[]> {
  const { afterId } = page
  return orm
    .select(fields)
    .from(orders)
    .where(and(conditions(filter), afterId === undefined ? undefined : lt(orders.id, afterId)))
    .orderBy(desc(orders.id))
    .limit(page.limit)
    .offset(page.offset ?? 0)
}

export const count = ({ orm }: Orm, filter: ListFilter): Promise<number> => orm.$count(orders, conditions(filter))
