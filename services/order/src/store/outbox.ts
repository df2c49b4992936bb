import type { Queryable } from '@bitka/store'

/** A command that was sent: its row, and its place among the commands of its market. */
export type SentCommand = { id: bigint; symbol: string; commandSeq: bigint }

/** The last commands that were sent to a partition, newest first. */
export async function lastSent(db: Queryable, topic: string, partition: number, limit: number): Promise<SentCommand[]> {
  const { rows } = await db.query<{ id: string | bigint; key: string; command_seq: string }>(
    `select id, key, headers ->> 'command_seq' as command_seq from outbox
     where topic = $1 and partition = $2 and sent_at is not null order by id desc limit $3`,
    [topic, partition, limit],
  )
  return rows.map((row) => ({ id: BigInt(row.id), symbol: row.key, commandSeq: BigInt(row.command_seq) }))
}

/** Has rows sent again. */
export async function markUnsent(db: Queryable, ids: readonly bigint[]): Promise<void> {
  await db.query('update outbox set sent_at = null where id = any ($1::bigint[])', [ids])
}
