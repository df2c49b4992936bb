const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

/** How long an access token is good for. */
export const ACCESS_TOKEN_MS = 15 * MINUTE
/** How long a refresh token is good for; each refresh begins anew. */
export const REFRESH_TOKEN_MS = 7 * DAY

/** Why a session ended before its time. */
export type EndReason = 'logout' | 'refresh_reuse' | 'password_changed' | 'roles_changed' | 'disabled'

/** What a presented refresh token was found to be, under lock. */
export type PresentedToken = {
  expiresAt: Date
  spentAt: Date | null
  sessionEndedAt: Date | null
  userDisabled: boolean
}

/**
 * What to do with a refresh token. A spent one means that two parties hold the family's tokens, and nobody can tell which
 * is the thief, so the family ends; also when the spent token's own time is over.
 */
export function decideRefresh(token: PresentedToken | undefined, now: Date): 'rotate' | 'refuse' | 'end_family' {
  if (token === undefined || token.sessionEndedAt !== null) return 'refuse'
  if (token.spentAt !== null) return 'end_family'
  return token.expiresAt <= now || token.userDisabled ? 'refuse' : 'rotate'
}
