import { createHash } from 'node:crypto'
import type { Queryable, Tx } from '@bitka/store'
import { and, eq, type SQL } from 'drizzle-orm'
import { FAILURES_FORGOTTEN_MS, type Failures } from '../domain/sign-in-delay.ts'
import { type Orm, signInFailures } from './tables.ts'

/** What failures are counted by. */
export type Attempt = { account: Buffer; network: string }

/** A user is one account whether named by username or email; what names no user is an account of its own. */
export const accountOf = (userId: string | undefined, identifier: string): Buffer =>
  createHash('sha256')
    .update(userId === undefined ? `typed:${identifier.toLowerCase()}` : `user:${userId}`)
    .digest()

const isOf = ({ account, network }: Attempt): SQL | undefined =>
  and(eq(signInFailures.account, account), eq(signInFailures.network, network))

export async function find({ orm }: Orm, attempt: Attempt): Promise<Failures | undefined> {
  const [row] = await orm
    .select({ count: signInFailures.failures, lastAt: signInFailures.lastAt })
    .from(signInFailures)
    .where(isOf(attempt))
  return row && { count: row.count, lastAtMs: row.lastAt.getTime() }
}

/** Counts a failure: one statement, since those of two guesses at once must both count. */
export async function add(tx: Tx, { account, network }: Attempt, now: Date): Promise<void> {
  await tx.query(
    `insert into sign_in_failures as f (account, network, failures, last_at) values ($1, $2, 1, $3)
     on conflict (account, network) do update
       set failures = case when f.last_at <= $4 then 1 else least(f.failures + 1, 1000) end, last_at = excluded.last_at`,
    [account, network, now, new Date(now.getTime() - FAILURES_FORGOTTEN_MS)],
  )
}

export async function clear(tx: Tx, attempt: Attempt): Promise<void> {
  await tx.orm.delete(signInFailures).where(isOf(attempt))
}

export async function purge(db: Queryable, now: Date, limit = 1_000): Promise<number> {
  const { rowCount } = await db.query(
    `delete from sign_in_failures where (account, network) in
       (select account, network from sign_in_failures where last_at < $1 order by last_at limit $2)`,
    [new Date(now.getTime() - FAILURES_FORGOTTEN_MS), limit],
  )
  return rowCount ?? 0
}
