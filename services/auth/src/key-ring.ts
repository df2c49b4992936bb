import { assert, type Clock, type Logger } from '@bitka/kernel'
import type { Db, Tx } from '@bitka/store'
import type { Signer } from './crypto/access-token.ts'
import type { KeyVault } from './crypto/key-vault.ts'
import { generateSigningKey, type PublicJwk, readPrivateKey } from './crypto/signing-key-pair.ts'
import { isCurrent, isRotationDue, publicOrder } from './domain/signing-key.ts'
import * as signingKeys from './store/signing-keys.ts'

export type KeyRingOptions = {
  db: Db
  vault: KeyVault
  clock: Clock
  log: Logger
  /** How long a key signs. */
  intervalMs: number
}

/** The keys that access tokens are signed with: one signs, the next is already published, the last ones are still served. */
export class KeyRing {
  private keys: signingKeys.StoredKey[] = []
  private signing: Signer | undefined

  private constructor(private readonly options: KeyRingOptions) {}

  static async open(options: KeyRingOptions): Promise<KeyRing> {
    const ring = new KeyRing(options)
    await ring.refresh()
    return ring
  }

  signer(): Signer {
    assert(this.signing, 'the key ring is open')
    return this.signing
  }

  /** The public keys, the signing one first. */
  publicKeys(): PublicJwk[] {
    return publicOrder(this.keys, this.options.clock.now()).map(({ publicJwk }) => publicJwk)
  }

  /** Rotates when it is time, and sees what other replicas did. */
  async refresh(): Promise<void> {
    const { db, clock, intervalMs } = this.options
    const keys = await signingKeys.listServed(db, clock.now())
    if (isRotationDue(keys, intervalMs, clock.now()))
      await this.rotate((locked) => isRotationDue(locked, intervalMs, clock.now()))
    else this.load(keys)
  }

  /** The next key signs from now on, a new one waits, and the old one is served until its tokens have expired. */
  rotateKeys(): Promise<void> {
    return this.rotate(() => true)
  }

  private async rotate(isDue: (keys: signingKeys.StoredKey[]) => boolean): Promise<void> {
    const { db, clock, log } = this.options
    const rotated = await db.transaction(async (tx) => {
      await signingKeys.lockAll(tx)
      const now = clock.now()
      if (!isDue(await signingKeys.listServed(tx, now))) return false
      await signingKeys.retireCurrent(tx, now)
      await signingKeys.activateNext(tx, now)
      const keys = await signingKeys.listServed(tx, now)
      if (!keys.some(isCurrent)) await this.addKey(tx, now, now)
      await this.addKey(tx, now, null)
      await signingKeys.deleteForgotten(tx, now)
      return true
    })
    this.load(await signingKeys.listServed(db, clock.now()))
    if (rotated) log.info({ kid: this.signer().kid }, 'signing keys rotated')
  }

  private async addKey(tx: Tx, createdAt: Date, activatedAt: Date | null): Promise<void> {
    const { vault } = this.options
    const { publicJwk, pkcs8 } = await generateSigningKey()
    const { kid } = publicJwk
    const privateKey = vault.seal(sealedName(kid), pkcs8)
    await signingKeys.insert(tx, {
      kid,
      publicJwk,
      privateKey,
      kekId: vault.kekId,
      createdAt,
      activatedAt,
      retiredAt: null,
    })
  }

  private load(keys: signingKeys.StoredKey[]): void {
    const current = keys.find(isCurrent)
    assert(current, 'there is always a key that signs')
    const { kid } = current
    if (this.signing?.kid !== kid) {
      const pkcs8 = this.options.vault.open(sealedName(kid), current.privateKey, current.kekId)
      this.signing = { kid, privateKey: readPrivateKey(pkcs8) }
    }
    this.keys = keys
  }
}

const sealedName = (kid: string): string => `signing key ${kid}`
