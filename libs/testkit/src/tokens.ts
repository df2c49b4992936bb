import { newId } from '@bitka/kernel'
import type { Role } from '@bitka/mesh'
import { exportJWK, generateKeyPair, type JSONWebKeySet, SignJWT } from 'jose'

export type TestTokens = {
  /** What a service checks tokens with, in place of auth's keys. */
  jwks: JSONWebKeySet
  /** A token as auth would sign it. */
  issue(user: { userId?: string; sessionId?: string; roles?: readonly Role[]; expiresInS?: number }): Promise<string>
}

/** Signs access tokens for suites that run without auth. */
export async function testTokens(): Promise<TestTokens> {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
  const kid = 'test-key'
  const jwk = await exportJWK(publicKey)
  return {
    jwks: { keys: [{ ...jwk, kid, use: 'sig', alg: 'RS256' }] },
    issue: ({ userId = newId(), sessionId = newId(), roles = ['user'], expiresInS = 900 }) =>
      new SignJWT({ sid: sessionId, roles: [...roles] })
        .setProtectedHeader({ alg: 'RS256', kid })
        .setIssuer('bitka-auth')
        .setAudience('bitka')
        .setSubject(userId)
        .setIssuedAt()
        .setExpirationTime(Math.floor(Date.now() / 1000) + expiresInS)
        .sign(privateKey),
  }
}
