import type { Queryable, Tx } from '@bitka/store'
import type { EndReason } from '../domain/session.ts'

export type NewSession = {
  id: string
  userId: string
  address: string
  userAgent: string
  createdAt: Date
  tokensExpireAt: Date
  expiresAt: Date
}

/** A session that has just ended, or ended not long ago. */
export type EndedSession = { id: string; userId: string; tokensExpireAt: Date }

type EndedRow = { id: string; user_id: string; tokens_expire_at: Date }

const toEnded = (row: EndedRow): EndedSession => ({
  id: row.id,
  userId: row.user_id,
  tokensExpireAt: row.tokens_expire_at,
})

export async function insert(tx: Tx, session: NewSession): Promise<void> {
  await tx.query(
    `insert into sessions (id, user_id, address, user_agent, created_at, tokens_expire_at, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [
      session.id,
      session.userId,
      session.address,
      session.userAgent,
      session.createdAt,
      session.tokensExpireAt,
      session.expiresAt,
    ],
  )
}

export async function prolong(tx: Tx, id: string, tokensExpireAt: Date, expiresAt: Date): Promise<void> {
  await tx.query(
    `update sessions set tokens_expire_at = greatest(tokens_expire_at, $2), expires_at = greatest(expires_at, $3) where id = $1`,
    [id, tokensExpireAt, expiresAt],
  )
}

const END = 'update sessions set ended_at = $2, end_reason = $3 where ended_at is null and'
const ENDED = 'returning id, user_id, tokens_expire_at'

/** Ends one session; undefined when it had ended before, or there is none. */
export async function end(tx: Tx, id: string, now: Date, reason: EndReason): Promise<EndedSession | undefined> {
  const { rows } = await tx.query<EndedRow>(`${END} id = $1 ${ENDED}`, [id, now, reason])
  return rows[0] && toEnded(rows[0])
}

/** Ends every open session of a user, but for one; answers those it ended. */
export async function endAll(
  tx: Tx,
  userId: string,
  now: Date,
  reason: EndReason,
  except?: string,
): Promise<EndedSession[]> {
  const { rows } = await tx.query<EndedRow>(`${END} user_id = $1 and id is distinct from $4::uuid ${ENDED}`, [
    userId,
    now,
    reason,
    except ?? null,
  ])
  return rows.map(toEnded)
}

/** Sessions that ended while an access token of theirs may still be valid. */
export async function listRevoked(db: Queryable, now: Date): Promise<EndedSession[]> {
  const { rows } = await db.query<EndedRow>(
    `select id, user_id, tokens_expire_at from sessions where ended_at is not null and tokens_expire_at > $1
     order by tokens_expire_at`,
    [now],
  )
  return rows.map(toEnded)
}

/** Deletes sessions, with their refresh tokens, that nothing can come of any more; answers how many. */
export async function purge(db: Queryable, expiredBefore: Date, limit = 1_000): Promise<number> {
  const { rowCount } = await db.query(
    `delete from sessions where id in (select id from sessions where expires_at < $1 order by expires_at limit $2)`,
    [expiredBefore, limit],
  )
  return rowCount ?? 0
}
