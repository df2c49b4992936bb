import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto'
import { ConfigError } from '@bitka/kernel'

const IV_BYTES = 12
const TAG_BYTES = 16
const KEY_BYTES = 32

/** Reads a key-encryption key: 32 bytes in base64, base64url or hex; undefined when it is none. */
export function parseKek(text: string): Buffer | undefined {
  const key = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'base64')
  return key.length === KEY_BYTES ? key : undefined
}

/** Seals small secrets with AES-256-GCM. The name of what is sealed is authenticated, so that two cannot be swapped. */
export class KeyVault {
  /** Says which key sealed something, and nothing about the key. */
  readonly kekId: string

  constructor(private readonly kek: Buffer) {
    this.kekId = createHash('sha256').update('bitka.auth.kek').update(kek).digest('hex').slice(0, 16)
  }

  seal(name: string, secret: Buffer): Buffer {
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.kek, iv, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(name))
    return Buffer.concat([iv, cipher.update(secret), cipher.final(), cipher.getAuthTag()])
  }

  /** A fingerprint that says nothing to anybody without the key: of a request that holds a password, say. */
  fingerprint(purpose: string, bytes: Uint8Array): Buffer {
    return createHmac('sha256', createHmac('sha256', this.kek).update(purpose).digest()).update(bytes).digest()
  }

  /** @throws ConfigError when it was sealed with another key, Error when it was altered */
  open(name: string, sealed: Buffer, kekId: string): Buffer {
    if (kekId !== this.kekId) {
      throw new ConfigError(`BITKA_AUTH_KEK: not the key that ${name} was stored with`)
    }
    const iv = sealed.subarray(0, IV_BYTES)
    const tag = sealed.subarray(sealed.length - TAG_BYTES)
    const decipher = createDecipheriv('aes-256-gcm', this.kek, iv, { authTagLength: TAG_BYTES }).setAAD(
      Buffer.from(name),
    )
    decipher.setAuthTag(tag)
    return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, sealed.length - TAG_BYTES)), decipher.final()])
  }
}
