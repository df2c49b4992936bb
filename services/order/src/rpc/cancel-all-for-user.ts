import { DomainError, isUuid } from '@bitka/kernel'
import { type MethodImpl, userOf } from '@bitka/mesh'
import { CancelAllForUserRequestSchema, type OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { idempotent } from '@bitka/store'
import { requestCancelAll } from '../commands/cancel.ts'
import type { OrderContext } from '../context.ts'
import { rememberedAs } from './request.ts'

/** Cancels every open order of a user, for operators. */
export const cancelAllForUser =
  (ctx: OrderContext): MethodImpl<typeof OrderService.method.cancelAllForUser> =>
  async (request, call) => {
    if (!isUuid(request.userId)) throw new DomainError('not_found', 'There is no such user.')
    // As the engine knows it: what it compares are texts.
    const userId = request.userId.toLowerCase()
    const options = { ttlMs: null, now: ctx.clock.now() }
    const key = rememberedAs(call, userOf(call).userId, CancelAllForUserRequestSchema, request, options)
    const cancelRequested = await ctx.db.transaction((tx) => {
      const run = () => requestCancelAll(ctx, tx, { userId, call })
      return key ? idempotent(tx, key, run) : run()
    })
    return { cancelRequested }
  }
