import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { readFile } from 'node:fs/promises'

/** age says who can read a file, not who wrote it. An Ed25519 signature does; base64. */

/** Signs what the machine of the database has written. */
export type Sign = (content: Uint8Array) => string

/** @throws when none of the known keys has signed the content */
export type CheckSignature = (what: string, content: Uint8Array, signature: string | undefined) => void

/** A new pair: the private key as PEM (PKCS#8), the public one as a line. */
export function newSigningKey(): { privateKeyPem: string; publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return { privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), publicKey: lineOf(publicKey) }
}

const lineOf = (key: KeyObject): string => key.export({ type: 'spki', format: 'der' }).toString('base64')

/** Signs with the key of a file. */
export async function signWith(privateKeyFile: string): Promise<Sign> {
  const key = createPrivateKey(await readFile(privateKeyFile))
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(`${privateKeyFile} is no Ed25519 key`)
  return (content) => sign(null, content, key).toString('base64')
}

/** Checks against the public keys of a file, one a line. */
export async function signedByOneOf(publicKeysFile: string): Promise<CheckSignature> {
  const lines = (await readFile(publicKeysFile, 'utf8')).split('\n').map((line) => line.trim())
  const keys = lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => createPublicKey({ key: Buffer.from(line, 'base64'), type: 'spki', format: 'der' }))
  if (keys.length === 0) throw new Error(`${publicKeysFile} has no key`)
  return (what, content, signature) => {
    const bytes = Buffer.from(signature ?? '', 'base64')
    if (!keys.some((key) => verify(null, content, key, bytes))) {
      throw new Error(`${what} was not signed with a key of ${publicKeysFile}: somebody else may have written it`)
    }
  }
}
