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

/** A command as the log has it. */
export type LoggedCommand = { symbol: string; commandSeq: bigint; eventId: string }

/**
 * What the database says of the last command of each market: the number that its next one gets, and the event of that very
 * number, while the row is kept.
 */
export async function knownCommands(
  db: Queryable,
  topic: string,
  logged: ReadonlyMap<string, LoggedCommand>,
): Promise<Map<string, { nextSeq: bigint; eventId?: string }>> {
  const { rows } = await db.query<{ symbol: string; next_seq: string; event_id: string | null }>(
    `select m.symbol, m.next_command_seq::text as next_seq, o.headers ->> 'event-id' as event_id
     from unnest($2::text[], $3::text[]) as l (symbol, seq) join markets m using (symbol)
     left join outbox o on o.topic = $1 and o.key = l.symbol and o.headers ->> 'command_seq' = l.seq`,
    [topic, [...logged.keys()], [...logged.values()].map(({ commandSeq }) => String(commandSeq))],
  )
  return new Map(
    rows.map(({ symbol, next_seq, event_id }) => [
      symbol,
      { nextSeq: BigInt(next_seq), ...(event_id !== null && { eventId: event_id }) },
    ]),
  )
}
