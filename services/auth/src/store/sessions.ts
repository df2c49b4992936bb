import type { Tx } from '@bitka/store'
import { and, asc, eq, gt, inArray, isNotNull, isNull, lt, ne, type SQL, sql } from 'drizzle-orm'
import type { EndReason } from '../domain/session.ts'
import { type Orm, sessions } from './tables.ts'

export type NewSession = Omit<typeof sessions.$inferSelect, 'endedAt' | 'endReason'>

/** A session that has just ended, or ended not long ago. */
export type EndedSession = { id: string; userId: string; tokensExpireAt: Date }

const ended = { id: sessions.id, userId: sessions.userId, tokensExpireAt: sessions.tokensExpireAt }

export async function insert(tx: Tx, session: NewSession): Promise<void> {
  await tx.orm.insert(sessions).values(session)
}

type TimeColumn = typeof sessions.tokensExpireAt | typeof sessions.expiresAt

const later = (column: TimeColumn, time: Date): SQL => sql`greatest(${column}, ${sql.param(time, column)})`

export async function prolong(tx: Tx, id: string, tokensExpireAt: Date, expiresAt: Date): Promise<void> {
  await tx.orm
    .update(sessions)
    .set({
      tokensExpireAt: later(sessions.tokensExpireAt, tokensExpireAt),
      expiresAt: later(sessions.expiresAt, expiresAt),
    })
    .where(eq(sessions.id, id))
}

const endOpen = (tx: Tx, which: SQL | undefined, now: Date, reason: EndReason): Promise<EndedSession[]> =>
  tx.orm
    .update(sessions)
    .set({ endedAt: now, endReason: reason })
    .where(and(isNull(sessions.endedAt), which))
    .returning(ended)

/** Ends one session; undefined when it had ended before, or there is none. */
export async function end(tx: Tx, id: string, now: Date, reason: EndReason): Promise<EndedSession | undefined> {
  const [session] = await endOpen(tx, eq(sessions.id, id), now, reason)
  return session
}

/** Ends every open session of a user, but for one; answers those it ended. */
export function endAll(tx: Tx, userId: string, now: Date, reason: EndReason, except?: string): Promise<EndedSession[]> {
  const others = except === undefined ? undefined : ne(sessions.id, except)
  return endOpen(tx, and(eq(sessions.userId, userId), others), now, reason)
}

/** Sessions that ended while an access token of theirs may still be valid. */
export async function listRevoked({ orm }: Orm, now: Date): Promise<EndedSession[]> {
  return orm
    .select(ended)
    .from(sessions)
    .where(and(isNotNull(sessions.endedAt), gt(sessions.tokensExpireAt, now)))
    .orderBy(asc(sessions.tokensExpireAt))
}

/** Deletes sessions, with their refresh tokens, that nothing can come of any more; answers how many. */
export async function purge({ orm }: Orm, expiredBefore: Date, limit = 1_000): Promise<number> {
  const oldest = orm
    .select({ id: sessions.id })
    .from(sessions)
    .where(lt(sessions.expiresAt, expiredBefore))
    .orderBy(asc(sessions.expiresAt))
    .limit(limit)
  const { rowCount } = await orm.delete(sessions).where(inArray(sessions.id, oldest))
  return rowCount ?? 0
}
