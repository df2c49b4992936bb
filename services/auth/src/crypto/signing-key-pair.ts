import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { calculateJwkThumbprint } from 'jose'

/** A public key as RFC 7517 writes it. */
export type PublicJwk = { kty: 'RSA'; use: 'sig'; alg: 'RS256'; kid: string; n: string; e: string }

const generate = promisify(generateKeyPair)

/** A new RSA key of 2048 bits; its id is its thumbprint (RFC 7638). The private half is PKCS #8 in DER. */
export async function generateSigningKey(): Promise<{ publicJwk: PublicJwk; pkcs8: Buffer }> {
  const { publicKey, privateKey } = await generate('rsa', { modulusLength: 2048 })
  const { n = '', e = '' } = publicKey.export({ format: 'jwk' })
  const kid = await calculateJwkThumbprint({ kty: 'RSA', n, e })
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' })
  return { publicJwk: { kty: 'RSA', use: 'sig', alg: 'RS256', kid, n, e }, pkcs8 }
}

export const readPrivateKey = (pkcs8: Buffer): KeyObject =>
  createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
