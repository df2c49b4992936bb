import { invalidField } from '@bitka/kernel'
import { type MethodImpl, userOf } from '@bitka/mesh'
import type { AuthService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import type { AuthContext } from '../context.ts'
import { checkRoleChange, normalizeRoles, sameRoles } from '../domain/roles.ts'
import { sessionsRevoked } from '../events/identity-events.ts'
import * as sessions from '../store/sessions.ts'
import * as users from '../store/users.ts'
import { decodeRole, encodeUser, noSuchUser, userIdOf } from './encode.ts'

/** Sets a user's roles. Their sessions end, so that no token with the old roles lives on. */
export const setRoles =
  ({ db, clock, audit }: AuthContext): MethodImpl<typeof AuthService.method.setRoles> =>
  async (request, call) => {
    const userId = userIdOf(request.userId)
    // An empty body must not take everything from somebody: to leave them nothing more, name user.
    if (request.roles.length === 0) throw invalidField('roles', 'must name at least one role')
    const roles = normalizeRoles(request.roles.map((role) => decodeRole(role, 'roles')))
    const changed = await db.transaction(async (tx) => {
      // Admins first, always: who is the last one must hold until the commit.
      const admins = await users.lockAdmins(tx)
      const target = await users.lockById(tx, userId)
      if (!target) throw noSuchUser()
      checkRoleChange(userOf(call).userId, target, roles, admins)
      if (sameRoles(target.roles, roles)) return target
      await users.setRoles(tx, userId, roles)
      const ended = await sessions.endAll(tx, userId, clock.now(), 'roles_changed')
      await sessionsRevoked(tx, ended, call)
      await audit(tx, {
        action: 'admin.user.set-roles',
        outcome: 'succeeded',
        target: { type: 'user', id: userId },
        ctx: call,
        details: { roles_before: target.roles.join(' '), roles: roles.join(' ') },
      })
      return { ...target, roles }
    })
    return { user: encodeUser(changed) }
  }
