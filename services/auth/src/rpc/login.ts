import { newId } from '@bitka/kernel'
import type { CallContext, MethodImpl } from '@bitka/mesh'
import type { AuthService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import type { Tx } from '@bitka/store'
import type { AuthContext } from '../context.ts'
import { accessTokenExpiry, signAccessToken } from '../crypto/access-token.ts'
import { hashRefreshToken, newRefreshToken } from '../crypto/refresh-token.ts'
import { refuseFields } from '../domain/registration.ts'
import { REFRESH_TOKEN_MS } from '../domain/session.ts'
import { userLoggedIn } from '../events/identity-events.ts'
import { beginAttempt, deviceOf, findByIdentifier, type PasswordAttempt, wrongCredentials } from '../sign-in.ts'
import * as devices from '../store/devices.ts'
import * as refreshTokens from '../store/refresh-tokens.ts'
import * as sessions from '../store/sessions.ts'
import * as failures from '../store/sign-in-failures.ts'
import * as users from '../store/users.ts'

/** Signs in with username or email. Nobody learns from the answer, or from how long it takes, whether there is such a user. */
export const login =
  (ctx: AuthContext): MethodImpl<typeof AuthService.method.login> =>
  async ({ identifier, password }, call) => {
    const required = (text: string) => (text === '' ? 'is required' : undefined)
    refuseFields({ identifier: required(identifier), password: required(password) })
    // Twice, for a password that was changed, or hashed anew by another sign-in, while it was being checked here.
    const opened = (await signIn(ctx, identifier, password, call)) ?? (await signIn(ctx, identifier, password, call))
    if (!opened) throw wrongCredentials()
    const { refreshToken, ...facts } = opened
    return { accessToken: await signAccessToken(ctx.keys.signer(), facts), refreshToken }
  }

/** Undefined when the user changed meanwhile. */
async function signIn(ctx: AuthContext, identifier: string, password: string, call: CallContext) {
  const user = await findByIdentifier(ctx, identifier)
  const attempt = await beginAttempt(ctx, { userId: user?.id, identifier }, call)
  const matches = await ctx.hasher.verify(user?.passwordHash, password, attempt.lane)
  if (!user || !matches || user.disabled) {
    await recordFailure(ctx, user, attempt, call)
    throw wrongCredentials()
  }
  const rehashed = ctx.hasher.isOutdated(user.passwordHash) ? await ctx.hasher.hash(password, attempt.lane) : undefined
  return ctx.db.transaction((tx) => openSession(ctx, tx, user, rehashed, attempt, call))
}

/** Undefined when the password or the account changed while the password was being checked. */
async function openSession(
  { clock, audit }: AuthContext,
  tx: Tx,
  checked: users.User,
  rehashed: string | undefined,
  attempt: PasswordAttempt,
  call: CallContext,
) {
  const user = await users.lockById(tx, checked.id)
  if (!user || user.disabled || user.passwordHash !== checked.passwordHash) return undefined
  if (rehashed !== undefined) await users.setPasswordHash(tx, user.id, rehashed)
  const [now, device, sessionId, refreshToken] = [clock.now(), deviceOf(call), newId(), newRefreshToken()]
  const userId = user.id
  const expiresAt = new Date(now.getTime() + REFRESH_TOKEN_MS)
  const tokensExpireAt = accessTokenExpiry(now)
  await sessions.insert(tx, { id: sessionId, userId, ...device, createdAt: now, tokensExpireAt, expiresAt })
  await refreshTokens.insert(tx, { hash: hashRefreshToken(refreshToken), sessionId, expiresAt })
  await failures.clear(tx, attempt)
  const newDevice = await devices.remember(tx, userId, device, now)
  await userLoggedIn(tx, { userId, sessionId, newDevice, device, now }, call)
  await audit(tx, {
    action: 'auth.login',
    outcome: 'succeeded',
    actor: { kind: 'user', id: userId },
    target: { type: 'session', id: sessionId },
    ctx: call,
  })
  return { userId, sessionId, roles: user.roles, now, refreshToken }
}

function recordFailure(
  { db, clock, audit }: AuthContext,
  user: users.User | undefined,
  attempt: PasswordAttempt,
  call: CallContext,
): Promise<void> {
  return db.transaction(async (tx) => {
    await failures.add(tx, attempt, clock.now())
    await audit(tx, {
      action: 'auth.login',
      outcome: 'refused',
      errorCode: 'UNAUTHORIZED',
      actor: { kind: 'anonymous' },
      target: user && { type: 'user', id: user.id },
      ctx: call,
      details: { reason: !user ? 'unknown_user' : user.disabled ? 'disabled' : 'wrong_password' },
    })
  })
}
