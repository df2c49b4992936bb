import type { Queryable, Tx } from '@bitka/store'
import type { PublicJwk } from '../crypto/signing-key-pair.ts'
import { type KeyTimes, SERVED_AFTER_RETIRED_MS } from '../domain/signing-key.ts'

export type StoredKey = KeyTimes & { kid: string; publicJwk: PublicJwk; privateKey: Buffer; kekId: string }

type KeyRow = {
  kid: string
  public_jwk: PublicJwk
  private_key: Buffer
  kek_id: string
  created_at: Date
  activated_at: Date | null
  retired_at: Date | null
}

const toKey = (row: KeyRow): StoredKey => ({
  kid: row.kid,
  publicJwk: row.public_jwk,
  privateKey: row.private_key,
  kekId: row.kek_id,
  createdAt: row.created_at,
  activatedAt: row.activated_at,
  retiredAt: row.retired_at,
})

/** Keys that sign, will sign, or signed tokens that may still be valid. */
export async function listServed(db: Queryable, now: Date): Promise<StoredKey[]> {
  const { rows } = await db.query<KeyRow>(
    `select kid, public_jwk, private_key, kek_id, created_at, activated_at, retired_at
     from signing_keys where retired_at is null or retired_at > $1 order by created_at, kid`,
    [new Date(now.getTime() - SERVED_AFTER_RETIRED_MS)],
  )
  return rows.map(toKey)
}

/** One replica at a time makes or changes keys. */
export async function lockAll(tx: Tx): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('bitka.auth.signing_keys', 0))`)
}

export async function insert(tx: Tx, key: StoredKey): Promise<void> {
  await tx.query(
    `insert into signing_keys (kid, public_jwk, private_key, kek_id, created_at, activated_at)
     values ($1, $2, $3, $4, $5, $6)`,
    [key.kid, JSON.stringify(key.publicJwk), key.privateKey, key.kekId, key.createdAt, key.activatedAt],
  )
}

export async function activateNext(tx: Tx, now: Date): Promise<void> {
  await tx.query('update signing_keys set activated_at = $1 where activated_at is null', [now])
}

export async function retireCurrent(tx: Tx, now: Date): Promise<void> {
  await tx.query('update signing_keys set retired_at = $1 where activated_at is not null and retired_at is null', [now])
}

/** Forgets keys, private halves first of all, that no valid token was signed with. */
export async function deleteForgotten(tx: Tx, now: Date): Promise<void> {
  await tx.query('delete from signing_keys where retired_at <= $1', [new Date(now.getTime() - SERVED_AFTER_RETIRED_MS)])
}
