import type { Tx } from '@bitka/store'
import type { RoleName } from '../domain/roles.ts'
import type { PresentedToken } from '../domain/session.ts'

/** A presented token with its session and user. */
export type LockedToken = PresentedToken & { sessionId: string; userId: string; roles: RoleName[] }

type LockedRow = {
  session_id: string
  expires_at: Date
  spent_at: Date | null
  user_id: string
  ended_at: Date | null
  roles: RoleName[]
  disabled_at: Date | null
}

export async function insert(tx: Tx, token: { hash: Buffer; sessionId: string; expiresAt: Date }): Promise<void> {
  await tx.query('insert into refresh_tokens (hash, session_id, expires_at) values ($1, $2, $3)', [
    token.hash,
    token.sessionId,
    token.expiresAt,
  ])
}

/**
 * Locks a token, then its session, so that of two uses at once the later sees what the former did. The session row is
 * read in a statement of its own, after the lock: ending a session waits for it, or has been seen here.
 */
export async function lock(tx: Tx, hash: Buffer): Promise<LockedToken | undefined> {
  const found = await tx.query<{ session_id: string }>(
    'select session_id from refresh_tokens where hash = $1 for update',
    [hash],
  )
  if (found.rows[0] === undefined) return undefined
  await tx.query('select 1 from sessions where id = $1 for no key update', [found.rows[0].session_id])
  const { rows } = await tx.query<LockedRow>(
    `select t.session_id, t.expires_at, t.spent_at, s.user_id, s.ended_at, u.roles, u.disabled_at
     from refresh_tokens t join sessions s on s.id = t.session_id join users u on u.id = s.user_id
     where t.hash = $1`,
    [hash],
  )
  const [row] = rows
  return (
    row && {
      sessionId: row.session_id,
      userId: row.user_id,
      roles: row.roles,
      expiresAt: row.expires_at,
      spentAt: row.spent_at,
      sessionEndedAt: row.ended_at,
      userDisabled: row.disabled_at !== null,
    }
  )
}

export async function spend(tx: Tx, hash: Buffer, now: Date): Promise<void> {
  await tx.query('update refresh_tokens set spent_at = $2 where hash = $1', [hash, now])
}
