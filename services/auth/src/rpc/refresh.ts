import { DomainError } from '@bitka/kernel'
import type { CallContext, MethodImpl } from '@bitka/mesh'
import type { AuthService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import type { Tx } from '@bitka/store'
import type { AuthContext } from '../context.ts'
import { accessTokenExpiry, signAccessToken } from '../crypto/access-token.ts'
import { hashRefreshToken, isRefreshToken, newRefreshToken } from '../crypto/refresh-token.ts'
import { refuseFields } from '../domain/registration.ts'
import { decideRefresh, REFRESH_TOKEN_MS } from '../domain/session.ts'
import { sessionsRevoked } from '../events/identity-events.ts'
import * as refreshTokens from '../store/refresh-tokens.ts'
import * as sessions from '../store/sessions.ts'

/** Trades a refresh token for a new pair. A spent one ends its whole family, in the commit of the finding. */
export const refresh =
  (ctx: AuthContext): MethodImpl<typeof AuthService.method.refresh> =>
  async ({ refreshToken: presented }, call) => {
    refuseFields({ refresh_token: presented === '' ? 'is required' : undefined })
    const renewed = isRefreshToken(presented)
      ? await ctx.db.transaction((tx) => renew(ctx, tx, presented, call))
      : undefined
    // One answer for unknown, expired, spent and ended: a thief learns nothing.
    if (!renewed) throw new DomainError('unauthenticated', 'The refresh token is not valid. Sign in again.')
    const { refreshToken, ...facts } = renewed
    return { accessToken: await signAccessToken(ctx.keys.signer(), facts), refreshToken }
  }

async function renew(ctx: AuthContext, tx: Tx, presented: string, call: CallContext) {
  const hash = hashRefreshToken(presented)
  const token = await refreshTokens.lock(tx, hash)
  const now = ctx.clock.now()
  const decision = decideRefresh(token, now)
  if (token === undefined || decision === 'refuse') return undefined
  const { sessionId, userId, roles } = token
  if (decision === 'end_family') {
    await endFamily(ctx, tx, token, call)
    return undefined
  }
  const refreshToken = newRefreshToken()
  const expiresAt = new Date(now.getTime() + REFRESH_TOKEN_MS)
  await refreshTokens.spend(tx, hash, now)
  await refreshTokens.insert(tx, { hash: hashRefreshToken(refreshToken), sessionId, expiresAt })
  await sessions.prolong(tx, sessionId, accessTokenExpiry(now), expiresAt)
  return { userId, sessionId, roles, now, refreshToken }
}

async function endFamily(
  { clock, audit }: AuthContext,
  tx: Tx,
  token: refreshTokens.LockedToken,
  call: CallContext,
): Promise<void> {
  const { sessionId, userId } = token
  const ended = await sessions.end(tx, sessionId, clock.now(), 'refresh_reuse')
  if (ended) await sessionsRevoked(tx, [ended], call)
  await audit(tx, {
    action: 'auth.refresh',
    outcome: 'refused',
    errorCode: 'UNAUTHORIZED',
    // Whoever holds a spent token may be the thief: not the user's own doing.
    actor: { kind: 'anonymous' },
    target: { type: 'session', id: sessionId },
    ctx: call,
    details: { reason: 'refresh_token_reused', user_id: userId },
  })
}
