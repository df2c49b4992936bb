import type { Tx } from '@bitka/store'
import { and, asc, gt, isNotNull, isNull, lte, or } from 'drizzle-orm'
import { SERVED_AFTER_RETIRED_MS } from '../domain/signing-key.ts'
import { type Orm, signingKeys } from './tables.ts'

export type StoredKey = typeof signingKeys.$inferSelect

const forgottenFrom = (now: Date): Date => new Date(now.getTime() - SERVED_AFTER_RETIRED_MS)

/** Keys that sign, will sign, or signed tokens that may still be valid. */
export async function listServed({ orm }: Orm, now: Date): Promise<StoredKey[]> {
  return orm
    .select()
    .from(signingKeys)
    .where(or(isNull(signingKeys.retiredAt), gt(signingKeys.retiredAt, forgottenFrom(now))))
    .orderBy(asc(signingKeys.createdAt), asc(signingKeys.kid))
}

/** One replica at a time makes or changes keys. */
export async function lockAll(tx: Tx): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('bitka.auth.signing_keys', 0))`)
}

export async function insert(tx: Tx, key: StoredKey): Promise<void> {
  await tx.orm.insert(signingKeys).values(key)
}

export async function activateNext(tx: Tx, now: Date): Promise<void> {
  await tx.orm.update(signingKeys).set({ activatedAt: now }).where(isNull(signingKeys.activatedAt))
}

export async function retireCurrent(tx: Tx, now: Date): Promise<void> {
  await tx.orm
    .update(signingKeys)
    .set({ retiredAt: now })
    .where(and(isNotNull(signingKeys.activatedAt), isNull(signingKeys.retiredAt)))
}

/** Forgets keys, private halves first of all, that no valid token was signed with. */
export async function deleteForgotten(tx: Tx, now: Date): Promise<void> {
  await tx.orm.delete(signingKeys).where(lte(signingKeys.retiredAt, forgottenFrom(now)))
}
