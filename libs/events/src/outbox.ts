import { assert, newId } from '@bitka/kernel'
import type { Queryable, Tx } from '@bitka/store'
import type { TopicName } from './topics.ts'

/** An event to publish with the commit of its cause. */
export type OutboxRecord = {
  topic: TopicName
  /** The entity whose order matters: see `key` in the topic table. */
  key: string
  /** Full name of the protobuf message in `value`, e.g. "bitka.events.v1.UserLoggedIn". Becomes the header `type`. */
  type: string
  value: Uint8Array
  /** Only for streams that keep a partition of their own, such as a market's; else the key's hash decides. */
  partition?: number
  headers?: Record<string, string>
  /** W3C trace context of the request that caused the event. */
  traceparent?: string
}

/** Below Kafka's own limit of 1 MiB a record, with room for key and headers. */
const MAX_VALUE_BYTES = 900_000

/** Relays of this process by schema, so that a commit wakes its own service's relay at once. */
const relays = new Map<string, Set<() => void>>()

export function onOutboxCommit(schema: string, wake: () => void): () => void {
  const wakes = relays.get(schema) ?? new Set()
  relays.set(schema, wakes.add(wake))
  return () => wakes.delete(wake)
}

/**
 * Writes events to the schema's `outbox` in the given transaction, in order, with one statement. Each gets its `event-id`
 * here, so that an event sent twice keeps one id.
 */
export async function appendOutbox(tx: Tx, records: OutboxRecord[]): Promise<void> {
  if (records.length === 0) return
  for (const { value, topic } of records) assert(value.length <= MAX_VALUE_BYTES, `an event for ${topic} is too large`)
  const headers = records.map((record) => {
    const own: Record<string, string> = { ...record.headers, 'event-id': newId(), type: record.type }
    if (record.traceparent !== undefined) own.traceparent = record.traceparent
    return JSON.stringify(own)
  })
  const { rows } = await tx.query<{ schema: string }>(
    `with placed as (
       insert into outbox (topic, partition, key, headers, value)
       select topic, partition, key, headers::jsonb, value
       from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::bytea[])
         with ordinality as r (topic, partition, key, headers, value, position)
       order by position
       returning 1)
     select current_schema()::text as schema`,
    [
      records.map((r) => r.topic),
      records.map((r) => r.partition ?? null),
      records.map((r) => r.key),
      headers,
      records.map((r) => Buffer.from(r.value)),
    ],
  )
  const schema = rows[0]?.schema ?? ''
  tx.afterCommit(() => {
    for (const wake of relays.get(schema) ?? []) wake()
  })
}

/** Deletes the oldest sent rows; answers how many. Run it after the log's own retention has passed. */
export async function purgeOutbox(db: Queryable, options: { sentBefore: Date; maxRows?: number }): Promise<number> {
  const { rowCount } = await db.query(
    `delete from outbox where id in
       (select id from outbox where sent_at < $1 order by sent_at limit $2)`,
    [options.sentBefore, options.maxRows ?? 5000],
  )
  return rowCount ?? 0
}
