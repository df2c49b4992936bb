import { type MethodImpl, userOf } from '@bitka/mesh'
import type { AuthService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import type { AuthContext } from '../context.ts'
import { sessionsRevoked } from '../events/identity-events.ts'
import * as sessions from '../store/sessions.ts'

/** Ends the caller's session: its refresh tokens at once, its access tokens as soon as the event arrives everywhere. */
export const logout =
  ({ db, clock, audit }: AuthContext): MethodImpl<typeof AuthService.method.logout> =>
  async (_request, call) => {
    const { sessionId } = userOf(call)
    await db.transaction(async (tx) => {
      const ended = await sessions.end(tx, sessionId, clock.now(), 'logout')
      if (!ended) return
      await sessionsRevoked(tx, [ended], call)
      await audit(tx, {
        action: 'auth.logout',
        outcome: 'succeeded',
        target: { type: 'session', id: sessionId },
        ctx: call,
      })
    })
    return {}
  }
