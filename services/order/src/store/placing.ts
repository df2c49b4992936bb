import type { ErrorDetails, ErrorKind } from '@bitka/kernel'
import type { Queryable, Tx } from '@bitka/store'
import type { Order } from '../domain/order.ts'
import { type OrderRow, orderColumns, toOrder } from './rows.ts'

/** A refusal that an idempotency key remembers. */
export type Refusal = { kind: ErrorKind; message: string; details: ErrorDetails }

/** What a create's Idempotency-Key stands for, and how long its first request preferred to wait for the engine. */
export type KeyOfCreate = { key: string; requestHash: Buffer; waitMs: number }

export type Placement = { order: Order; key: KeyOfCreate | undefined }

/** What a key was used for before. */
export type Known = { requestHash: Buffer; refusal: Refusal | null; order: Order }

/**
 * Lets one transaction at a time place orders of a user, until it ends. So keys, client_order_ids and the number of open
 * orders are decided without races, in every process.
 */
export async function lockUsers(tx: Tx, userIds: readonly string[]): Promise<void> {
  await tx.query(
    `select pg_advisory_xact_lock(lock) from
       (select distinct hashtextextended('order.place ' || user_id, 0) as lock from unnest($1::text[]) as u (user_id)
        order by lock) as locks`,
    [userIds],
  )
}

export async function findByKeys(
  db: Queryable,
  pairs: readonly { userId: string; key: string }[],
): Promise<Map<string, Known>> {
  if (pairs.length === 0) return new Map()
  const { rows } = await db.query<
    OrderRow & { idempotency_key: string; request_hash: Buffer; refusal: Refusal | null }
  >(
    // LATERAL with a limit keeps the planner at one index look-up a key: a join of this size it would hash the whole table for.
    `select o.* from unnest($1::uuid[], $2::text[]) as k (user_id, key)
     cross join lateral (
       select ${orderColumns}, idempotency_key, request_hash, refusal from orders
       where user_id = k.user_id and idempotency_key = k.key limit 1) as o`,
    [pairs.map(({ userId }) => userId), pairs.map(({ key }) => key)],
  )
  return new Map(
    rows.map((row) => [
      keyName(row.user_id, row.idempotency_key),
      { requestHash: row.request_hash, refusal: row.refusal, order: toOrder(row) },
    ]),
  )
}

/** One name for a user's key. */
export const keyName = (userId: string, key: string): string => `${userId} ${key}`

/** How many open orders each of these users has in each of these markets, by "user symbol". */
export async function countLive(
  tx: Tx,
  pairs: readonly { userId: string; symbol: string }[],
): Promise<Map<string, number>> {
  const { rows } = await tx.query<{ user_id: string; symbol: string; count: bigint }>(
    `select o.user_id, o.symbol, count(*) as count
     from (select distinct user_id from unnest($1::uuid[]) as u (user_id)) as u
     join orders o on o.user_id = u.user_id and o.state in ('pending', 'submitted', 'open', 'partially_filled')
     group by o.user_id, o.symbol`,
    [pairs.map(({ userId }) => userId)],
  )
  return new Map(rows.map((row) => [`${row.user_id} ${row.symbol}`, Number(row.count)]))
}

/** Stores orders as they are; answers the ids of those that were stored: another order has a missing one's client_order_id. */
export async function insert(tx: Tx, placements: readonly Placement[], refusal?: Refusal): Promise<Set<string>> {
  if (placements.length === 0) return new Set()
  const orders = placements.map(({ order }) => order)
  const { rows } = await tx.query<{ id: string }>(
    `insert into orders (id, user_id, client_order_id, symbol, side, type, time_in_force, post_only, self_trade_prevention,
       price_ticks, quantity_lots, hold_asset, receive_asset, hold_amount, maker_fee_bps, taker_fee_bps, state, metadata,
       idempotency_key, request_hash, wait_ms, created_at, updated_at, refusal)
     select *, created_at, $23::jsonb from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::smallint[],
       $6::smallint[], $7::smallint[], $8::boolean[], $9::smallint[], $10::bigint[], $11::bigint[], $12::text[], $13::text[],
       $14::numeric[], $15::int[], $16::int[], $17::text[], $18::jsonb[], $19::text[], $20::bytea[], $21::int[],
       $22::timestamptz[])
       as o (id, user_id, client_order_id, symbol, side, type, time_in_force, post_only, self_trade_prevention, price_ticks,
         quantity_lots, hold_asset, receive_asset, hold_amount, maker_fee_bps, taker_fee_bps, state, metadata,
         idempotency_key, request_hash, wait_ms, created_at)
     on conflict do nothing returning id`,
    [
      orders.map((o) => o.id),
      orders.map((o) => o.userId),
      orders.map((o) => o.clientOrderId),
      orders.map((o) => o.symbol),
      orders.map((o) => o.side),
      orders.map((o) => o.type),
      orders.map((o) => o.timeInForce),
      orders.map((o) => o.postOnly),
      orders.map((o) => o.selfTradePrevention),
      orders.map((o) => o.priceTicks),
      orders.map((o) => o.quantityLots),
      orders.map((o) => o.holdAsset),
      orders.map((o) => o.receiveAsset),
      orders.map((o) => o.holdAmount),
      orders.map((o) => o.makerFeeBps),
      orders.map((o) => o.takerFeeBps),
      orders.map((o) => o.state),
      orders.map((o) => o.metadata && JSON.stringify(o.metadata)),
      placements.map(({ key }) => key?.key ?? null),
      placements.map(({ key }) => key?.requestHash ?? null),
      placements.map(({ key }) => key?.waitMs ?? 0),
      orders.map((o) => o.createdAt),
      refusal ? JSON.stringify(refusal) : null,
    ],
  )
  return new Set(rows.map(({ id }) => id))
}

/** Locks those of the orders that still have no command, in one order everywhere. After the markets' locks. */
export async function lockPending(tx: Tx, ids: readonly string[]): Promise<Set<string>> {
  const { rows } = await tx.query<{ id: string }>(
    `select id from orders where id = any ($1::uuid[]) and state = 'pending' order by id for update`,
    [ids],
  )
  return new Set(rows.map(({ id }) => id))
}

/** Gives locked orders their commands. */
export async function submit(tx: Tx, orders: readonly { id: string; commandSeq: bigint }[], now: Date): Promise<void> {
  if (orders.length === 0) return
  await tx.query(
    `update orders o set state = 'submitted', command_seq = s.command_seq, revision = o.revision + 1, updated_at = $3,
       claimed_until = null
     from unnest($1::uuid[], $2::bigint[]) as s (id, command_seq) where o.id = s.id`,
    [orders.map(({ id }) => id), orders.map(({ commandSeq }) => commandSeq), now],
  )
}

/** Why an order without a command ends. `refusal`: what its key remembers; without one the key is free again. */
export type Ending = { id: string; refusal?: Refusal | undefined }

/** Ends locked orders that never had a command. The sweeper then tells the ledger to let go of their holds. */
export async function kill(tx: Tx, endings: readonly Ending[], now: Date): Promise<void> {
  if (endings.length === 0) return
  await tx.query(
    `update orders o set state = 'dead', refusal = e.refusal, release_due = true, claimed_until = null,
       idempotency_key = case when e.refusal is null then null else o.idempotency_key end,
       revision = o.revision + 1, updated_at = $3
     from unnest($1::uuid[], $2::jsonb[]) as e (id, refusal) where o.id = e.id`,
    [endings.map(({ id }) => id), endings.map(({ refusal }) => (refusal ? JSON.stringify(refusal) : null)), now],
  )
}

/** More than the clocks of two processes differ. */
const CLOCKS_APART = `interval '10 seconds'`

/**
 * Claims orders that have waited for their command since `before`, until `until`; nobody else claims them meanwhile. A time
 * that is still to come is of a clock that went back, and keeps nothing waiting.
 */
export async function claimPending(
  db: Queryable,
  { before, now, until, limit }: { before: Date; now: Date; until: Date; limit: number },
): Promise<Order[]> {
  const { rows } = await db.query<OrderRow>(
    `update orders set claimed_until = $3 where id = any (array(
       select id from orders where state = 'pending' and (created_at < $1 or created_at > $2::timestamptz + ${CLOCKS_APART})
         and (claimed_until is null or claimed_until < $2 or claimed_until > $3::timestamptz + ${CLOCKS_APART})
       order by created_at limit $4 for update skip locked))
     returning ${orderColumns}`,
    [before, now, until, limit],
  )
  return rows.map(toOrder)
}

/** Claims ended orders whose holds the ledger has to let go of. */
export async function claimReleases(
  db: Queryable,
  { now, until, limit }: { now: Date; until: Date; limit: number },
): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    `update orders set claimed_until = $2 where id = any (array(
       select id from orders where release_due
         and (claimed_until is null or claimed_until < $1 or claimed_until > $2::timestamptz + ${CLOCKS_APART})
       order by updated_at limit $3 for update skip locked))
     returning id`,
    [now, until, limit],
  )
  return rows.map(({ id }) => id)
}

/** The ledger holds nothing for these any longer, and never will. */
export async function markReleased(db: Queryable, ids: readonly string[]): Promise<void> {
  await db.query(`update orders set release_due = false, claimed_until = null where id = any ($1::uuid[])`, [ids])
}

/** What the keys of orders remember as refused, by order id. */
export async function refusalsOf(db: Queryable, ids: readonly string[]): Promise<Map<string, Refusal>> {
  const { rows } = await db.query<{ id: string; refusal: Refusal }>(
    `select id, refusal from orders where id = any ($1::uuid[]) and refusal is not null`,
    [ids],
  )
  return new Map(rows.map(({ id, refusal }) => [id, refusal]))
}
