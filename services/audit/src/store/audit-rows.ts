import { bytea, type Queryable, type Tx } from '@bitka/store'
import { and, asc, count, desc, eq, gte, lt, type SQL } from 'drizzle-orm'
import { bigint, jsonb, pgTable, smallint, text, timestamp, uuid } from 'drizzle-orm/pg-core'
import type { ChainedEntry, ChainHead } from '../domain/chain.ts'
import { GENESIS } from '../domain/chain.ts'

const auditRows = pgTable('audit_rows', {
  seq: bigint('seq', { mode: 'bigint' }).primaryKey(),
  eventId: uuid('event_id').notNull(),
  service: text('service').notNull(),
  time: timestamp('time', { withTimezone: true, mode: 'date' }).notNull(),
  actorKind: smallint('actor_kind').notNull(),
  actorId: text('actor_id').notNull(),
  action: text('action').notNull(),
  targetType: text('target_type').notNull(),
  targetId: text('target_id').notNull(),
  outcome: smallint('outcome').notNull(),
  errorCode: text('error_code').notNull(),
  address: text('address').notNull(),
  userAgent: text('user_agent').notNull(),
  requestId: text('request_id').notNull(),
  profile: text('profile').notNull(),
  details: jsonb('details').$type<{ name: string; value: string }[]>().notNull(),
  previousHash: bytea('previous_hash').notNull(),
  hash: bytea('hash').notNull(),
})

type Orm = Tx['orm']
type Row = typeof auditRows.$inferSelect

const toEntry = ({ time, ...row }: Row): ChainedEntry => ({ ...row, timeMs: time.getTime() })

/** Serialises writers for the rest of the transaction and answers where the chain stands. */
export async function lockHead(tx: Tx): Promise<ChainHead> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('bitka.audit.chain', 0))`)
  const [last] = await tx.orm
    .select({ seq: auditRows.seq, hash: auditRows.hash })
    .from(auditRows)
    .orderBy(desc(auditRows.seq))
    .limit(1)
  return last ?? GENESIS
}

/** Which of these events the log has already. */
export async function knownEvents(tx: Queryable, eventIds: readonly string[]): Promise<Set<string>> {
  const { rows } = await tx.query<{ event_id: string }>(
    'select event_id from audit_rows where event_id = any ($1::uuid[])',
    [eventIds],
  )
  return new Set(rows.map((row) => row.event_id))
}

export async function insertRows(tx: Tx, entries: readonly ChainedEntry[]): Promise<void> {
  if (entries.length === 0) return
  await tx.orm.insert(auditRows).values(
    entries.map(({ timeMs, previousHash, hash, details, ...entry }) => ({
      ...entry,
      time: new Date(timeMs),
      details: [...details],
      previousHash: Buffer.from(previousHash),
      hash: Buffer.from(hash),
    })),
  )
}

export type AuditFilter = {
  actorId?: string
  action?: string
  targetId?: string
  service?: string
  requestId?: string
  from?: Date
  to?: Date
}

function conditions(filter: AuditFilter): SQL[] {
  const { actorId, action, targetId, service, requestId, from, to } = filter
  return [
    actorId === undefined ? undefined : eq(auditRows.actorId, actorId),
    action === undefined ? undefined : eq(auditRows.action, action),
    targetId === undefined ? undefined : eq(auditRows.targetId, targetId),
    service === undefined ? undefined : eq(auditRows.service, service),
    requestId === undefined ? undefined : eq(auditRows.requestId, requestId),
    from === undefined ? undefined : gte(auditRows.time, from),
    to === undefined ? undefined : lt(auditRows.time, to),
  ].filter((condition) => condition !== undefined)
}

/** Rows newest first; `before` is the seq of the last row of the page before. */
export async function searchRows(
  orm: Orm,
  filter: AuditFilter,
  page: { limit: number; offset?: number; before?: bigint },
): Promise<ChainedEntry[]> {
  const where = conditions(filter)
  if (page.before !== undefined) where.push(lt(auditRows.seq, page.before))
  const rows = await orm
    .select()
    .from(auditRows)
    .where(and(...where))
    .orderBy(desc(auditRows.seq))
    .limit(page.limit)
    .offset(page.offset ?? 0)
  return rows.map(toEntry)
}

export async function countRows(orm: Orm, filter: AuditFilter): Promise<number> {
  const [row] = await orm
    .select({ total: count() })
    .from(auditRows)
    .where(and(...conditions(filter)))
  return row?.total ?? 0
}

/** The chain from its beginning, for checks: `limit` rows after `after`. */
export async function readChain(orm: Orm, after: bigint, limit: number): Promise<ChainedEntry[]> {
  const rows = await orm
    .select()
    .from(auditRows)
    .where(gte(auditRows.seq, after + 1n))
    .orderBy(asc(auditRows.seq))
    .limit(limit)
  return rows.map(toEntry)
}
