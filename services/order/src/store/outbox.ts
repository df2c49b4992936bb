import type { Queryable } from '@bitka/store'

/** A command that was sent: its row, and its place among the commands of its market. */
export type SentCommand = { id: bigint; symbol: string; commandSeq: bigint }

/** The last commands that were sent to a partition, newest first. */
export async function lastSent(db: Queryable, partition: number, limit: number): Promise<SentCommand[]> {
  const { rows } = await db.query<{ id: string | bigint; key: string; command_seq: string }>(
    `select id, key, headers ->> 'command_seq' as command_seq from outbox
     where topic = 'trading.orders.commands' and partition = $1 and sent_at is not null order by id desc limit $2`,
    [partition, limit],
  )
  return rows.map((row) => ({ id: BigInt(row.id), symbol: row.key, commandSeq: BigInt(row.command_seq) }))
}

const PURGE_ROWS = 5_000

/** Deletes the oldest sent events; answers how many. Commands stay: a log that was lost is made again of them. */
export async function purgeEvents(db: Queryable, sentBefore: Date): Promise<number> {
  const { rowCount } = await db.query(
    `delete from outbox where id in
       (select id from outbox where sent_at < $1 and topic <> 'trading.orders.commands' order by sent_at limit $2)`,
    [sentBefore, PURGE_ROWS],
  )
  return rowCount ?? 0
}

/** Has rows sent again. */
export async function markUnsent(db: Queryable, ids: readonly bigint[]): Promise<void> {
  await db.query('update outbox set sent_at = null where id = any ($1::bigint[])', [ids])
}

/** A command as the log has it. */
export type LoggedCommand = { symbol: string; commandSeq: bigint; eventId: string }

/** How many of a partition's last rows are looked at for the event of a logged command. */
const RECENT_ROWS = 5_000

/**
 * What the database says of the last logged command of each market of a partition: the number that its next one gets, and
 * the event of that very number, where it is among the last rows.
 */
export async function knownCommands(
  db: Queryable,
  partition: number,
  logged: ReadonlyMap<string, LoggedCommand>,
): Promise<Map<string, { nextSeq: bigint; eventId?: string }>> {
  const { rows } = await db.query<{ symbol: string; next_seq: string; event_id: string | null }>(
    `with recent as materialized (
       select id, key, headers from outbox where topic = 'trading.orders.commands' and partition = $1
       order by id desc limit $4)
     select distinct on (m.symbol) m.symbol, m.next_command_seq::text as next_seq, o.headers ->> 'event-id' as event_id
     from unnest($2::text[], $3::text[]) as l (symbol, seq) join markets m using (symbol)
     left join recent o on o.key = l.symbol and o.headers ->> 'command_seq' = l.seq
     order by m.symbol, o.id desc`,
    [partition, [...logged.keys()], [...logged.values()].map(({ commandSeq }) => String(commandSeq)), RECENT_ROWS],
  )
  return new Map(
    rows.map(({ symbol, next_seq, event_id }) => [
      symbol,
      { nextSeq: BigInt(next_seq), ...(event_id !== null && { eventId: event_id }) },
    ]),
  )
}
