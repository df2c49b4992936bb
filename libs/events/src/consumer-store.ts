import type { Queryable, Tx } from '@bitka/store'
import type { StoredRecord } from './port.ts'

/** One partition as one consumer group sees it. */
export type Place = { group: string; topic: string; partition: number }

/** The cursor was moved by somebody else: a new owner, or an operator's skip. Ask for the position again. */
export class CursorMovedError extends Error {
  override name = 'CursorMovedError'
}

/** The stored position; a group that is new to the partition begins at its start. */
export async function readCursor(db: Queryable, { group, topic, partition }: Place): Promise<bigint> {
  const { rows } = await db.query<{ next_offset: bigint }>(
    `with made as (
       insert into consumer_cursors (consumer_group, topic, partition, next_offset) values ($1, $2, $3, 0)
       on conflict do nothing returning next_offset)
     select next_offset from made
     union all
     select next_offset from consumer_cursors where consumer_group = $1 and topic = $2 and partition = $3`,
    [group, topic, partition],
  )
  return rows[0]?.next_offset ?? 0n
}

/**
 * Locks the cursor and moves it. First in the transaction of the effect: whoever else believes to own the partition waits
 * here, then finds the cursor elsewhere and gives up.
 */
export async function moveCursor(
  tx: Queryable,
  { group, topic, partition }: Place,
  from: bigint,
  to: bigint,
): Promise<void> {
  const { rowCount } = await tx.query(
    `update consumer_cursors
     set next_offset = $5, stopped_offset = null, stopped_error = null, stopped_at = null
     where consumer_group = $1 and topic = $2 and partition = $3 and next_offset = $4`,
    [group, topic, partition, from, to],
  )
  if (rowCount !== 1) throw new CursorMovedError(`${group} is no longer at ${topic}/${partition}@${from}`)
}

/** Leaves a note for operators and for other processes of the service. */
export async function noteStop(
  db: Queryable,
  { group, topic, partition }: Place,
  offset: bigint,
  error: string,
): Promise<void> {
  await db.query(
    `update consumer_cursors
     set stopped_offset = $4, stopped_error = $5, stopped_at = coalesce(stopped_at, clock_timestamp())
     where consumer_group = $1 and topic = $2 and partition = $3 and next_offset <= $4`,
    [group, topic, partition, offset, error],
  )
}

export type StoppedPartition = Place & { offset: bigint; error: string; stoppedAt: Date }

/** Every stopped partition of the service's consumers, in whichever process. */
export async function listStopped(db: Queryable): Promise<StoppedPartition[]> {
  const { rows } = await db.query<{
    consumer_group: string
    topic: string
    partition: number
    stopped_offset: bigint
    stopped_error: string
    stopped_at: Date
  }>(
    `select consumer_group, topic, partition, stopped_offset, stopped_error, stopped_at
     from consumer_cursors where stopped_offset is not null order by consumer_group, topic, partition`,
  )
  return rows.map((row) => ({
    group: row.consumer_group,
    topic: row.topic,
    partition: row.partition,
    offset: row.stopped_offset,
    error: row.stopped_error,
    stoppedAt: row.stopped_at,
  }))
}

/**
 * Passes the one record at which a partition is stopped; works from any process of the service. Answers false when the
 * partition is not stopped at that record. The caller audits it in the same transaction.
 */
export async function skipStopped(tx: Tx, { group, topic, partition }: Place, offset: bigint): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update consumer_cursors
     set next_offset = $4::bigint + 1, stopped_offset = null, stopped_error = null, stopped_at = null
     where consumer_group = $1 and topic = $2 and partition = $3 and stopped_offset = $4`,
    [group, topic, partition, offset],
  )
  return rowCount === 1
}

export type DeadLetter = {
  id: bigint
  group: string
  record: StoredRecord
  error: string
  attempts: number
  parkedAt: Date
}

type DeadLetterRow = {
  id: bigint
  consumer_group: string
  topic: string
  partition: number
  record_offset: bigint
  record_time: Date
  key: string
  headers: Record<string, string>
  value: Buffer
  error: string
  attempts: number
  parked_at: Date
}

const columns = `id, consumer_group, topic, partition, record_offset, record_time, key, headers, value, error, attempts, parked_at`

const toDeadLetter = (row: DeadLetterRow): DeadLetter => ({
  id: row.id,
  group: row.consumer_group,
  record: {
    topic: row.topic,
    partition: row.partition,
    offset: row.record_offset,
    timestampMs: row.record_time.getTime(),
    key: row.key,
    headers: row.headers,
    value: row.value,
  },
  error: row.error,
  attempts: row.attempts,
  parkedAt: row.parked_at,
})

/** Parks a record; answers false when the table already holds `max` rows of the group, so that it stays bounded. */
export async function parkRecord(
  tx: Queryable,
  group: string,
  record: StoredRecord,
  failure: { error: string; attempts: number; max: number },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `insert into dead_letters
       (consumer_group, topic, partition, record_offset, record_time, key, headers, value, error, attempts)
     select $1, $2, $3, $4, to_timestamp($5::double precision / 1000), $6, $7::jsonb, $8, $9, $10
     where (select count(*) from dead_letters where consumer_group = $1) < $11
     on conflict on constraint dead_letters_record_key do update set error = excluded.error`,
    [
      group,
      record.topic,
      record.partition,
      record.offset,
      record.timestampMs,
      record.key,
      JSON.stringify(record.headers),
      Buffer.from(record.value),
      failure.error,
      failure.attempts,
      failure.max,
    ],
  )
  return rowCount === 1
}

/** How many records of a group are parked; without one, of all groups. */
export async function countParked(db: Queryable, group?: string): Promise<number> {
  const { rows } = await db.query<{ count: string }>(
    'select count(*)::text as count from dead_letters where $1::text is null or consumer_group = $1',
    [group ?? null],
  )
  return Number(rows[0]?.count ?? 0)
}

/** Parked records, oldest first; `after` is the last id of the page before, `offset` how many of the rest are passed over. */
export async function listDeadLetters(
  db: Queryable,
  options: { group?: string; after?: bigint; limit?: number; offset?: number } = {},
): Promise<DeadLetter[]> {
  const { rows } = await db.query<DeadLetterRow>(
    `select ${columns} from dead_letters
     where id > $1 and ($2::text is null or consumer_group = $2) order by id limit $3 offset $4`,
    [options.after ?? 0n, options.group ?? null, options.limit ?? 100, options.offset ?? 0],
  )
  return rows.map(toDeadLetter)
}

/**
 * Applies a parked record and removes it, in the caller's transaction. Throws what `handle` throws, and then nothing has
 * changed. Answers false when there is no such letter.
 */
export async function replayDeadLetter(
  tx: Tx,
  id: bigint,
  handle: (tx: Tx, records: StoredRecord[]) => Promise<void>,
): Promise<boolean> {
  const { rows } = await tx.query<DeadLetterRow>(`delete from dead_letters where id = $1 returning ${columns}`, [id])
  const row = rows[0]
  if (!row) return false
  await handle(tx, [toDeadLetter(row).record])
  return true
}

/** Gives a parked record up. The caller audits it in the same transaction. */
export async function dropDeadLetter(tx: Queryable, id: bigint): Promise<boolean> {
  const { rowCount } = await tx.query('delete from dead_letters where id = $1', [id])
  return rowCount === 1
}
