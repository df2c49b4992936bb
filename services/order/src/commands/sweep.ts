import { releaseHolds } from '../clients/ledger.ts'
import type { OrderContext } from '../context.ts'
import * as placing from '../store/placing.ts'
import { driveOrders } from './drive.ts'

/** Younger orders may still be on their way in a request. */
const PENDING_MS = 5_000
/** How long a claim keeps other sweepers away; longer than one round takes. */
const CLAIM_MS = 15_000
const ROUND_MAX = 500
const RELEASE_DEADLINE_MS = 5_000

/**
 * Finishes what a crash or an outage left behind: orders without a command get theirs or, once too old, end; the holds of
 * ended ones are given up. Answers whether there may be more to do at once.
 */
export async function sweep(ctx: OrderContext): Promise<boolean> {
  const pending = await sweepPending(ctx)
  const releases = await sweepReleases(ctx)
  return pending || releases
}

async function sweepPending(ctx: OrderContext): Promise<boolean> {
  const nowMs = ctx.clock.nowMs()
  const left = await placing.claimPending(ctx.db, {
    before: new Date(nowMs - PENDING_MS),
    now: new Date(nowMs),
    until: new Date(nowMs + CLAIM_MS),
    limit: ROUND_MAX,
  })
  if (left.length === 0) return false
  left.sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime() || (a.id < b.id ? -1 : 1))
  ctx.log.info({ orders: left.length }, 'sweeping orders that have no command yet')
  await driveOrders(
    ctx,
    left.map((order) => ({ order })),
  )
  return left.length === ROUND_MAX
}

async function sweepReleases(ctx: OrderContext): Promise<boolean> {
  const nowMs = ctx.clock.nowMs()
  const until = new Date(nowMs + CLAIM_MS)
  const ids = await placing.claimReleases(ctx.db, { now: new Date(nowMs), until, limit: ROUND_MAX })
  if (ids.length === 0) return false
  const { released, refused } = await releaseHolds(ctx.ledger, ids, RELEASE_DEADLINE_MS)
  for (const { id, error } of refused) ctx.log.error({ err: error, order_id: id }, 'a hold could not be released')
  if (released.length > 0) await placing.markReleased(ctx.db, released)
  return ids.length === ROUND_MAX && refused.length === 0
}
