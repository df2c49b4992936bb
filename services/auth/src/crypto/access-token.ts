import type { KeyObject } from 'node:crypto'
import { newId } from '@bitka/kernel'
import { SignJWT } from 'jose'
import type { RoleName } from '../domain/roles.ts'
import { ACCESS_TOKEN_MS } from '../domain/session.ts'

export type Signer = { kid: string; privateKey: KeyObject }
export type TokenFacts = { userId: string; sessionId: string; roles: readonly RoleName[]; now: Date }

const seconds = (ms: number): number => Math.floor(ms / 1_000)

/** When an access token made at `now` expires; whole seconds, as in the token. */
export const accessTokenExpiry = (now: Date): Date => new Date(seconds(now.getTime() + ACCESS_TOKEN_MS) * 1_000)

/** The JWT that every service believes for 15 minutes, unless the session is revoked. */
export function signAccessToken(signer: Signer, { userId, sessionId, roles, now }: TokenFacts): Promise<string> {
  return new SignJWT({ sid: sessionId, roles })
    .setProtectedHeader({ alg: 'RS256', kid: signer.kid, typ: 'JWT' })
    .setIssuer('bitka-auth')
    .setAudience('bitka')
    .setSubject(userId)
    .setJti(newId())
    .setIssuedAt(seconds(now.getTime()))
    .setExpirationTime(seconds(accessTokenExpiry(now).getTime()))
    .sign(signer.privateKey)
}
