import { DomainError } from '@bitka/kernel'
import { type CallContext, type UserIdentity, userOf } from '@bitka/mesh'
import type { OrderContext } from '../context.ts'
import type { Feed } from '../hub.ts'

/** How often a stream looks for changes that another process made. */
const LOOK_MS = 2_000

/**
 * Steps through the changes of the caller's orders until the caller goes away or its token ends. Each step says what
 * changed; none named means: look yourself.
 */
export async function* changesFor(
  ctx: OrderContext,
  call: CallContext,
  feed: Feed,
): AsyncGenerator<{ orderIds: string[]; look: boolean }> {
  const user = userOf(call)
  while (!call.signal.aborted) {
    checkToken(ctx, user)
    await feed.wait(Math.min(LOOK_MS, Math.max(1, user.expiresAtMs - ctx.clock.nowMs())), call.signal)
    if (call.signal.aborted) return
    const { orderIds, all } = feed.take()
    yield { orderIds, look: all || orderIds.length === 0 }
  }
}

function checkToken({ clock }: OrderContext, { expiresAtMs }: UserIdentity): void {
  if (clock.nowMs() >= expiresAtMs) throw new DomainError('unauthenticated', 'The access token has expired.')
}
