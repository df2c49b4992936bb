import { createHash } from 'node:crypto'
import type { Queryable, Tx } from '@bitka/store'
import { FAILURES_FORGOTTEN_MS, type Failures } from '../domain/sign-in-delay.ts'

/** What failures are counted by. */
export type Attempt = { account: Buffer; network: string }

/** A user is one account whether named by username or email; what names no user is an account of its own. */
export const accountOf = (userId: string | undefined, identifier: string): Buffer =>
  createHash('sha256')
    .update(userId === undefined ? `typed:${identifier.toLowerCase()}` : `user:${userId}`)
    .digest()

export async function find(db: Queryable, { account, network }: Attempt): Promise<Failures | undefined> {
  const { rows } = await db.query<{ failures: number; last_at: Date }>(
    'select failures, last_at from sign_in_failures where account = $1 and network = $2',
    [account, network],
  )
  return rows[0] && { count: rows[0].failures, lastAtMs: rows[0].last_at.getTime() }
}

export async function add(tx: Tx, { account, network }: Attempt, now: Date): Promise<void> {
  await tx.query(
    `insert into sign_in_failures as f (account, network, failures, last_at) values ($1, $2, 1, $3)
     on conflict (account, network) do update
       set failures = case when f.last_at <= $4 then 1 else least(f.failures + 1, 1000) end, last_at = excluded.last_at`,
    [account, network, now, new Date(now.getTime() - FAILURES_FORGOTTEN_MS)],
  )
}

export async function clear(tx: Tx, { account, network }: Attempt): Promise<void> {
  await tx.query('delete from sign_in_failures where account = $1 and network = $2', [account, network])
}

export async function purge(db: Queryable, now: Date, limit = 1_000): Promise<number> {
  const { rowCount } = await db.query(
    `delete from sign_in_failures where (account, network) in
       (select account, network from sign_in_failures where last_at < $1 order by last_at limit $2)`,
    [new Date(now.getTime() - FAILURES_FORGOTTEN_MS), limit],
  )
  return rowCount ?? 0
}
