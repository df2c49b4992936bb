import { invalidField } from '@bitka/kernel'
import { type MethodImpl, userOf } from '@bitka/mesh'
import {
  type AuthService,
  DisableUserRequestSchema,
  DisableUserResponseSchema,
} from '@bitka/proto/bitka/auth/v1/auth_pb'
import type { AuthContext } from '../context.ts'
import { checkDisable } from '../domain/roles.ts'
import { sessionsRevoked } from '../events/identity-events.ts'
import * as sessions from '../store/sessions.ts'
import * as users from '../store/users.ts'
import { encodeUser, noSuchUser, userIdOf } from './encode.ts'
import { once } from './once.ts'

const REASON_MAX = 200
const schemas = { input: DisableUserRequestSchema, output: DisableUserResponseSchema }

/** Refuses further sign-ins of a user and ends their sessions. */
export const disableUser =
  (ctx: AuthContext): MethodImpl<typeof AuthService.method.disableUser> =>
  async (request, call) => {
    const userId = userIdOf(request.userId)
    const reason = reasonOf(request.reason)
    return once(ctx, call, schemas, request, async (tx) => {
      const admins = await users.lockAdmins(tx)
      const target = await users.lockById(tx, userId)
      if (!target) throw noSuchUser()
      checkDisable(userOf(call).userId, target, admins)
      if (target.disabled) return { user: encodeUser(target) }
      const now = ctx.clock.now()
      await users.setDisabled(tx, userId, now)
      await sessionsRevoked(tx, await sessions.endAll(tx, userId, now, 'disabled'), call)
      await ctx.audit(tx, {
        action: 'admin.user.disable',
        outcome: 'succeeded',
        target: { type: 'user', id: userId },
        ctx: call,
        details: reason === undefined ? {} : { reason },
      })
      return { user: encodeUser({ ...target, disabled: true }) }
    })
  }

function reasonOf(reason: string | undefined): string | undefined {
  if (reason === undefined || reason === '') return undefined
  if ([...reason].length > REASON_MAX) throw invalidField('reason', `must have at most ${REASON_MAX} characters`)
  if (/\p{Cc}/u.test(reason)) throw invalidField('reason', 'must not have control characters')
  return reason
}
