import { crashPoint, DomainError, Gatherer } from '@bitka/kernel'
import { withSpans } from '@bitka/telemetry'
import type { OrderContext } from '../context.ts'
import { keyName } from '../store/placing.ts'
import { admit, type PlaceOutcome, type PlaceRequest } from './admit.ts'
import { driveOrders } from './drive.ts'

/** Places orders that arrive together as one batch: two commits and one call to the ledger for all of them. */
export function orderGatherer(ctx: OrderContext): Gatherer<PlaceRequest, PlaceOutcome> {
  const { config } = ctx
  return new Gatherer({
    windowMs: config.BITKA_ORDER_GATHER_MS,
    maxItems: config.BITKA_ORDER_BATCH_MAX,
    maxQueue: config.BITKA_ORDER_QUEUE_MAX,
    concurrency: config.BITKA_ORDER_BATCHES,
    run: (requests) => placeOrders(ctx, requests),
  })
}

/** One outcome a request, in order. */
export async function placeOrders(ctx: OrderContext, requests: readonly PlaceRequest[]): Promise<PlaceOutcome[]> {
  const leaders = leadersOf(requests)
  const first = [...new Set(leaders.values())]
  const { outcomes, placed } = await withSpans(ctx.tracing, 'order admit', first.map(traceparentOf), () =>
    ctx.db.transaction((tx) => admit(ctx, tx, first)),
  )
  crashPoint('order.create.pending', 'order')
  const driven = await driveOrders(
    ctx,
    [...placed].map(([request, order]) => ({ order, call: request.call })),
  )
  return requests.map((request) => {
    const leader = leaders.get(request) ?? request
    if (request.key && leader.key && !request.key.requestHash.equals(leader.key.requestHash)) {
      return { error: new DomainError('conflict', 'This idempotency key was already used for another request.') }
    }
    const order = placed.get(leader)
    const outcome = order ? driven.get(order.id) : outcomes.get(leader)
    if (!outcome) throw new Error('a request of the batch has no outcome')
    return outcome
  })
}

const traceparentOf = ({ call }: PlaceRequest): string | undefined => call?.traceparent

/** For each request the first one of the batch with its key: the others get that one's outcome. */
function leadersOf(requests: readonly PlaceRequest[]): Map<PlaceRequest, PlaceRequest> {
  const byKey = new Map<string, PlaceRequest>()
  return new Map(
    requests.map((request) => {
      if (!request.key) return [request, request]
      const name = keyName(request.userId, request.key.key)
      const leader = byKey.get(name) ?? request
      byKey.set(name, leader)
      return [request, leader]
    }),
  )
}
