import { newId } from '@bitka/kernel'
import type { Db, Queryable, Tx } from '@bitka/store'
import { and, count, desc, eq, type SQL } from 'drizzle-orm'
import { integer, jsonb, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core'
import type { TemplateName } from '../domain/templates.ts'
import type { DeliveryReport } from '../domain/webhook.ts'

export const statuses = ['queued', 'sent', 'delivered', 'failed', 'complained'] as const
export type Status = (typeof statuses)[number]

const time = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const deliveries = pgTable('deliveries', {
  id: uuid('id').primaryKey(),
  userId: uuid('user_id').notNull(),
  template: text('template').$type<TemplateName>().notNull(),
  eventId: text('event_id').notNull(),
  params: jsonb('params').$type<Record<string, string>>().notNull(),
  status: text('status').$type<Status>().notNull(),
  attempts: integer('attempts').notNull(),
  nextAttemptAt: time('next_attempt_at').notNull(),
  providerMessageId: text('provider_message_id'),
  failure: text('failure'),
  createdAt: time('created_at').notNull(),
  updatedAt: time('updated_at').notNull(),
})
export type Delivery = typeof deliveries.$inferSelect
export type QueuedMail = Pick<Delivery, 'userId' | 'template' | 'eventId' | 'params'>

/** Queues mails; one that was queued for the same event before is passed over. */
export async function queueMails(tx: Tx, mails: readonly QueuedMail[], now: Date): Promise<void> {
  if (mails.length === 0) return
  await tx.orm
    .insert(deliveries)
    .values(
      mails.map((mail) => ({
        ...mail,
        id: newId(),
        status: 'queued' as const,
        attempts: 0,
        nextAttemptAt: now,
        createdAt: now,
        updatedAt: now,
      })),
    )
    .onConflictDoNothing()
}

/**
 * Takes due mails for sending: counts the attempt and pushes the next one `leaseMs` away, so that a sender that dies in
 * the middle is followed by another, and two never send the same mail at once.
 */
export async function claimDue(db: Queryable, now: Date, leaseMs: number, limit: number): Promise<Delivery[]> {
  const { rows } = await db.query<Omit<Delivery, 'userId'> & { user_id: string }>(
    `update deliveries set attempts = attempts + 1, next_attempt_at = $1::timestamptz + $2 * interval '1 millisecond', updated_at = $1
     where id in (
       select id from deliveries where status = 'queued' and next_attempt_at <= $1
       order by next_attempt_at limit $3 for update skip locked)
     returning id, user_id, template, event_id as "eventId", params, status, attempts, next_attempt_at as "nextAttemptAt",
       provider_message_id as "providerMessageId", failure, created_at as "createdAt", updated_at as "updatedAt"`,
    [now, leaseMs, limit],
  )
  return rows.map(({ user_id: userId, ...row }) => ({ ...row, userId }))
}

export async function markSent(db: Queryable, id: string, providerMessageId: string, now: Date): Promise<void> {
  await db.query(
    `update deliveries set status = 'sent', provider_message_id = $2, failure = null, updated_at = $3
     where id = $1 and status = 'queued'`,
    [id, providerMessageId, now],
  )
}

/** Tries again at `retryAt`, or gives the mail up when there is none. */
export async function markTried(
  db: Queryable,
  id: string,
  failure: string,
  retryAt: Date | undefined,
  now: Date,
): Promise<void> {
  await db.query(
    `update deliveries set failure = $2, status = case when $3::timestamptz is null then 'failed' else status end,
       next_attempt_at = coalesce($3, next_attempt_at), updated_at = $4
     where id = $1 and status = 'queued'`,
    [id, failure.slice(0, 500), retryAt ?? null, now],
  )
}

/** Writes a provider's report to its mail; answers the mail's id, or undefined when there is no such mail. */
export async function applyReport(tx: Queryable, report: DeliveryReport, now: Date): Promise<string | undefined> {
  const { rows } = await tx.query<{ id: string }>(
    `update deliveries set status = $3, failure = $4, updated_at = $5
     where (id::text = $1 or provider_message_id = $2) and status <> 'complained' returning id`,
    [report.deliveryId ?? null, report.messageId ?? null, report.status, report.failure ?? null, now],
  )
  return rows[0]?.id
}

/** True the first time a token is seen. */
export async function useToken(tx: Queryable, token: string, now: Date): Promise<boolean> {
  const { rowCount } = await tx.query(
    'insert into webhook_tokens (token, used_at) values ($1, $2) on conflict do nothing',
    [token, now],
  )
  return rowCount === 1
}

export async function forgetTokens(db: Queryable, usedBefore: Date): Promise<void> {
  await db.query('delete from webhook_tokens where used_at < $1', [usedBefore])
}

export type DeliveryFilter = { userId?: string; status?: Status }

const conditions = ({ userId, status }: DeliveryFilter): SQL | undefined =>
  and(
    userId === undefined ? undefined : eq(deliveries.userId, userId),
    status === undefined ? undefined : eq(deliveries.status, status),
  )

export async function listDeliveries(
  { orm }: Pick<Db, 'orm'>,
  filter: DeliveryFilter,
  page: { limit: number; offset: number },
): Promise<{ items: Delivery[]; total: number }> {
  const where = conditions(filter)
  const items = await orm
    .select()
    .from(deliveries)
    .where(where)
    .orderBy(desc(deliveries.id))
    .limit(page.limit)
    .offset(page.offset)
  const [row] = await orm.select({ total: count() }).from(deliveries).where(where)
  return { items, total: row?.total ?? 0 }
}
