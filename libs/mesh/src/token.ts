import { createHash } from 'node:crypto'
import { type Clock, DomainError, systemClock } from '@bitka/kernel'
import { createLocalJWKSet, decodeProtectedHeader, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import { type Role, roles, type UserIdentity, type VerifyToken } from './types.ts'

/** A verified token is believed this long without checking its signature again; revocation is checked each time. */
const CACHE_MS = 10_000
const CACHE_SIZE_MAX = 10_000
/** An unknown key id asks for the keys again at most this often, so that made-up ids cannot flood auth. */
const REFRESH_MS_MIN = 3_000
/** Keys that auth has withdrawn stop working after this. */
const KEYS_AGE_MS_MAX = 300_000
const TOKEN_LENGTH_MAX = 4096

export type TokenVerifierOptions = {
  /** Fetches auth's public keys. */
  jwks: () => Promise<JSONWebKeySet>
  issuer?: string
  audience?: string
  isRevoked: (sessionId: string) => boolean
  clock?: Clock
}

const refused = (cause?: unknown): DomainError =>
  new DomainError('unauthenticated', 'The access token is missing, malformed or expired.', {}, { cause })

/** Verifies access tokens as every service does: RS256 by key id, issuer, audience, expiry, revocation. */
export function createTokenVerifier(options: TokenVerifierOptions): VerifyToken {
  const { isRevoked, issuer = 'bitka-auth', audience = 'bitka', clock = systemClock } = options
  const keys = new KeyCache(options.jwks, clock)
  const verified = new Map<string, { identity: UserIdentity; untilMs: number }>()

  async function verify(token: string): Promise<UserIdentity> {
    const keySet = await keys.forToken(token)
    try {
      const checks = {
        issuer,
        audience,
        algorithms: ['RS256'],
        requiredClaims: ['exp', 'sub', 'sid'],
        currentDate: clock.now(),
      }
      return toIdentity((await jwtVerify(token, keySet, checks)).payload)
    } catch (error) {
      if (error instanceof errors.JOSEError) throw refused(error)
      throw error
    }
  }

  return async (token) => {
    if (token.length > TOKEN_LENGTH_MAX) throw refused()
    const hash = createHash('sha256').update(token).digest('base64')
    const nowMs = clock.nowMs()
    const hit = verified.get(hash)
    let identity = hit && nowMs < hit.untilMs ? hit.identity : undefined
    if (!identity) {
      identity = await verify(token)
      verified.delete(hash)
      const [oldest] = verified.keys()
      if (verified.size >= CACHE_SIZE_MAX && oldest !== undefined) verified.delete(oldest)
      verified.set(hash, { identity, untilMs: Math.min(nowMs + CACHE_MS, identity.expiresAtMs) })
    }
    if (isRevoked(identity.sessionId)) throw refused()
    return identity
  }
}

function toIdentity(payload: JWTPayload): UserIdentity {
  const { sub, sid, exp, roles: claimed } = payload
  if (typeof sub !== 'string' || typeof sid !== 'string' || exp === undefined || !Array.isArray(claimed))
    throw refused()
  // A role that this build does not know gives nothing.
  const known = roles.filter((role: Role) => claimed.includes(role))
  return { userId: sub, sessionId: sid, roles: known, expiresAtMs: exp * 1000 }
}

type KeySet = ReturnType<typeof createLocalJWKSet>

/** Auth's keys, fetched again when they are old or a token names one that is not among them. */
class KeyCache {
  private current: { keySet: KeySet; ids: Set<string | undefined>; fetchedMs: number } | undefined
  private fetching: Promise<void> | undefined
  private triedMs = Number.NEGATIVE_INFINITY

  constructor(
    private readonly fetchKeys: () => Promise<JSONWebKeySet>,
    private readonly clock: Clock,
  ) {}

  async forToken(token: string): Promise<KeySet> {
    const kid = keyIdOf(token)
    const nowMs = this.clock.nowMs()
    const { current } = this
    const fresh = current?.ids.has(kid) === true && nowMs - current.fetchedMs < KEYS_AGE_MS_MAX
    if (!fresh && (this.fetching || current === undefined || nowMs - this.triedMs >= REFRESH_MS_MIN))
      await this.refresh(nowMs)
    if (!this.current) throw new DomainError('unavailable', 'Access tokens cannot be checked right now.')
    if (!this.current.ids.has(kid)) throw refused()
    return this.current.keySet
  }

  /** Keeps the old keys when auth cannot be reached: tokens that it signed are still good. */
  private async refresh(nowMs: number): Promise<void> {
    this.fetching ??= this.load(nowMs).finally(() => {
      this.fetching = undefined
    })
    try {
      await this.fetching
    } catch (error) {
      if (!this.current) {
        throw new DomainError('unavailable', 'Access tokens cannot be checked right now.', {}, { cause: error })
      }
    }
  }

  private async load(nowMs: number): Promise<void> {
    this.triedMs = nowMs
    const jwks = await this.fetchKeys()
    this.current = { keySet: createLocalJWKSet(jwks), ids: new Set(jwks.keys.map((key) => key.kid)), fetchedMs: nowMs }
  }
}

function keyIdOf(token: string): string {
  try {
    const { kid, alg } = decodeProtectedHeader(token)
    if (kid !== undefined && alg === 'RS256') return kid
  } catch (error) {
    throw refused(error)
  }
  throw refused()
}
