import { invalidField } from '@bitka/kernel'
import { type MethodImpl, userOf } from '@bitka/mesh'
import { CancelOrderRequestSchema, CancelOrderStatus, type OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { idempotent } from '@bitka/store'
import { type CancelOutcome, checkCancelled, requestCancel, waitForEnd } from '../commands/cancel.ts'
import type { OrderContext } from '../context.ts'
import { VISIBLE_ASCII } from '../domain/place.ts'
import { checkText, rememberedAs, waitOf } from './request.ts'

/** How long a cancel waits for the engine before it answers that it was asked for. */
const WAIT_MS = 2_000

/** Cancels an order of the caller: the request is durable at once, the answer waits a little for the engine. */
export const cancelOrder =
  (ctx: OrderContext): MethodImpl<typeof OrderService.method.cancelOrder> =>
  async (request, call) => {
    const { userId } = userOf(call)
    const { clientCancelId, reason } = request
    const orderId = request.orderId.toLowerCase()
    if (clientCancelId !== undefined && !VISIBLE_ASCII.test(clientCancelId)) {
      throw invalidField('client_cancel_id', 'must have 1 to 64 visible ASCII characters')
    }
    checkText('reason', reason, 200)
    const details = { ...(clientCancelId && { client_cancel_id: clientCancelId }), ...(reason && { reason }) }
    const options = { ttlMs: null, now: ctx.clock.now() }
    const key = rememberedAs(call, userId, CancelOrderRequestSchema, request, options)
    const outcome = await ctx.db.transaction((tx) => {
      const run = (): Promise<CancelOutcome> => requestCancel(ctx, tx, { userId, orderId, call, details })
      return key ? idempotent(tx, key, run) : run()
    })
    const isOver = outcome === 'cancelled' || (await hasEnded(ctx, orderId, waitOf(call, WAIT_MS)))
    return isOver
      ? { orderId, status: CancelOrderStatus.CANCELLED, message: 'The order is cancelled.' }
      : { orderId, status: CancelOrderStatus.CANCEL_REQUESTED, message: 'The cancel was requested.' }
  }

/** @throws DomainError conflict when the order was filled before the cancel reached it */
async function hasEnded(
  ctx: OrderContext,
  orderId: string,
  wait: { ms: number; signal: AbortSignal },
): Promise<boolean> {
  const order = await waitForEnd(ctx, orderId, wait)
  if (order) checkCancelled(order)
  return order !== undefined
}
