import type { Tx } from '@bitka/store'
import { eq } from 'drizzle-orm'
import type { RoleName } from '../domain/roles.ts'
import type { PresentedToken } from '../domain/session.ts'
import { refreshTokens, sessions, users } from './tables.ts'

/** A presented token with its session and user. */
export type LockedToken = PresentedToken & { sessionId: string; userId: string; roles: RoleName[] }

export async function insert(tx: Tx, token: { hash: Buffer; sessionId: string; expiresAt: Date }): Promise<void> {
  await tx.orm.insert(refreshTokens).values(token)
}

/**
 * Locks a token, then its session, so that of two uses at once the later sees what the former did. The session row is
 * read in a statement of its own, after the lock: ending a session waits for it, or has been seen here.
 */
export async function lock(tx: Tx, hash: Buffer): Promise<LockedToken | undefined> {
  const isToken = eq(refreshTokens.hash, hash)
  const [found] = await tx.orm
    .select({ sessionId: refreshTokens.sessionId })
    .from(refreshTokens)
    .where(isToken)
    .for('update')
  if (found === undefined) return undefined
  await tx.orm.select({ id: sessions.id }).from(sessions).where(eq(sessions.id, found.sessionId)).for('no key update')
  const [row] = await tx.orm
    .select({
      sessionId: refreshTokens.sessionId,
      userId: sessions.userId,
      roles: users.roles,
      expiresAt: refreshTokens.expiresAt,
      spentAt: refreshTokens.spentAt,
      sessionEndedAt: sessions.endedAt,
      disabledAt: users.disabledAt,
    })
    .from(refreshTokens)
    .innerJoin(sessions, eq(sessions.id, refreshTokens.sessionId))
    .innerJoin(users, eq(users.id, sessions.userId))
    .where(isToken)
  if (row === undefined) return undefined
  const { disabledAt, ...token } = row
  return { ...token, userDisabled: disabledAt !== null }
}

export async function spend(tx: Tx, hash: Buffer, now: Date): Promise<void> {
  await tx.orm.update(refreshTokens).set({ spentAt: now }).where(eq(refreshTokens.hash, hash))
}
