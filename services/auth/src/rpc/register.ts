import { newId } from '@bitka/kernel'
import type { MethodImpl } from '@bitka/mesh'
import type { AuthService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import type { AuthContext } from '../context.ts'
import { checkRegistration, takenError } from '../domain/registration.ts'
import { userRegistered } from '../events/identity-events.ts'
import * as users from '../store/users.ts'

/** Makes a user, who may sign in at once. */
export const register =
  ({ db, clock, hasher, audit }: AuthContext): MethodImpl<typeof AuthService.method.register> =>
  async (request, call) => {
    const { username, email, password } = checkRegistration(request)
    // Before hashing, which is dear, and so that every taken field is named; the constraints decide in the end.
    const taken = await users.findTaken(db, username, email)
    if (taken.username || taken.email) throw takenError(taken)
    const passwordHash = await hasher.hash(password)
    const userId = newId()
    await db.transaction(async (tx) => {
      await users.insert(tx, { id: userId, username, email, passwordHash, roles: ['user'], createdAt: clock.now() })
      await userRegistered(tx, userId, call)
      const actor = { kind: 'user', id: userId } as const
      await audit(tx, {
        action: 'auth.register',
        outcome: 'succeeded',
        actor,
        target: { type: 'user', id: userId },
        ctx: call,
      })
    })
    return { userId }
  }
