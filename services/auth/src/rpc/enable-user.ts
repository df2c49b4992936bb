import { DomainError } from '@bitka/kernel'
import { type MethodImpl, userOf } from '@bitka/mesh'
import { type AuthService, EnableUserRequestSchema, EnableUserResponseSchema } from '@bitka/proto/bitka/auth/v1/auth_pb'
import type { AuthContext } from '../context.ts'
import * as users from '../store/users.ts'
import { encodeUser, noSuchUser, userIdOf } from './encode.ts'
import { once } from './once.ts'

const schemas = { input: EnableUserRequestSchema, output: EnableUserResponseSchema }

/** Lets a disabled user sign in again. Sessions that ended stay ended. */
export const enableUser =
  (ctx: AuthContext): MethodImpl<typeof AuthService.method.enableUser> =>
  async (request, call) => {
    const userId = userIdOf(request.userId)
    if (userId === userOf(call).userId) throw new DomainError('forbidden', 'Nobody enables themselves.')
    return once(ctx, call, schemas, request, async (tx) => {
      const target = await users.lockById(tx, userId)
      if (!target) throw noSuchUser()
      if (!target.disabled) return { user: encodeUser(target) }
      await users.setDisabled(tx, userId, null)
      const what = { action: 'admin.user.enable', target: { type: 'user', id: userId } }
      await ctx.audit(tx, { ...what, outcome: 'succeeded', ctx: call })
      return { user: encodeUser({ ...target, disabled: false }) }
    })
  }
