import { assert, invalidField } from '@bitka/kernel'
import { type CallContext, type MethodImpl, userOf } from '@bitka/mesh'
import {
  type AuthService,
  ChangePasswordRequestSchema,
  ChangePasswordResponseSchema,
} from '@bitka/proto/bitka/auth/v1/auth_pb'
import type { Tx } from '@bitka/store'
import type { AuthContext } from '../context.ts'
import { normalizePassword, passwordProblem } from '../domain/password.ts'
import { refuseFields } from '../domain/registration.ts'
import { passwordChanged, sessionsRevoked } from '../events/identity-events.ts'
import { beginAttempt, type PasswordAttempt } from '../sign-in.ts'
import * as sessions from '../store/sessions.ts'
import * as failures from '../store/sign-in-failures.ts'
import * as users from '../store/users.ts'
import { once } from './once.ts'

const schemas = { input: ChangePasswordRequestSchema, output: ChangePasswordResponseSchema }

const wrongPassword = () => invalidField('current_password', 'is wrong')

/** Changes the caller's password and ends every other session. Guessing is slowed down as at sign-in. */
export const changePassword =
  (ctx: AuthContext): MethodImpl<typeof AuthService.method.changePassword> =>
  async (request, call) => {
    const { userId } = userOf(call)
    const user = await users.findById(ctx.db, userId)
    assert(user, 'a token speaks for a user that exists')
    const { currentPassword, newPassword } = request
    refuseFields({
      current_password: currentPassword === '' ? 'is required' : undefined,
      new_password: newPasswordProblem(currentPassword, newPassword, user.username),
    })
    const attempt = await beginAttempt(ctx, { userId, identifier: user.username }, call)
    const matches = await ctx.hasher.verify(user.passwordHash, currentPassword, attempt.lane)
    const newHash = matches ? await ctx.hasher.hash(newPassword, attempt.lane) : undefined
    let began = false
    try {
      return await once(ctx, call, schemas, request, async (tx) => {
        began = true
        if (newHash === undefined) throw wrongPassword()
        await change(ctx, tx, user, newHash, attempt, call)
        return {}
      })
    } catch (error) {
      // A repeat under its idempotency key never comes to `began`: it is no guess, although the password is no longer right.
      if (began && !matches) await recordFailure(ctx, userId, attempt, call)
      throw error
    }
  }

function newPasswordProblem(current: string, next: string, username: string): string | undefined {
  const isSame = normalizePassword(current) === normalizePassword(next)
  return passwordProblem(next, username) ?? (isSame ? 'must differ from the current password' : undefined)
}

async function change(
  { clock, audit }: AuthContext,
  tx: Tx,
  checked: users.User,
  newHash: string,
  attempt: PasswordAttempt,
  call: CallContext,
): Promise<void> {
  const user = await users.lockById(tx, checked.id)
  // Two changes at once: the later one's current password is no longer right.
  if (user?.passwordHash !== checked.passwordHash) throw wrongPassword()
  const now = clock.now()
  await users.changePassword(tx, user.id, newHash, now)
  await failures.clear(tx, attempt)
  const ended = await sessions.endAll(tx, user.id, now, 'password_changed', userOf(call).sessionId)
  await passwordChanged(tx, user.id, now, call)
  await sessionsRevoked(tx, ended, call)
  await audit(tx, {
    action: 'auth.change-password',
    outcome: 'succeeded',
    target: { type: 'user', id: user.id },
    ctx: call,
    details: { sessions_ended: String(ended.length) },
  })
}

function recordFailure(
  { db, clock, audit }: AuthContext,
  userId: string,
  attempt: PasswordAttempt,
  call: CallContext,
): Promise<void> {
  return db.transaction(async (tx) => {
    await failures.add(tx, attempt, clock.now())
    await audit(tx, {
      action: 'auth.change-password',
      outcome: 'refused',
      errorCode: 'INVALID_INPUT',
      target: { type: 'user', id: userId },
      ctx: call,
      details: { reason: 'wrong_password' },
    })
  })
}
