import { type EventLog, readLast } from '@bitka/events'
import type pg from 'pg'

/** The newest command of a market, as the log has it. */
export type LoggedCommand = { symbol: string; seq: bigint; eventId: string }

const COMMANDS = 'trading.orders.commands'
const RESULTS = 'trading.matches.executed'
/** Records of a partition that are looked at for the newest command of each of its markets. */
const NEWEST = 1_000

/** To be asked before the database is: a command is committed there first. */
export async function newestCommands(log: EventLog): Promise<LoggedCommand[]> {
  const newest = new Map<string, LoggedCommand>()
  for (let partition = 0; partition < (await log.partitions(COMMANDS)); partition += 1) {
    for (const { key, headers } of await readLast(log, COMMANDS, partition, NEWEST)) {
      const command = { symbol: key, seq: BigInt(headers.command_seq ?? 0), eventId: headers['event-id'] ?? '' }
      if (command.seq > (newest.get(key)?.seq ?? 0n)) newest.set(key, command)
    }
  }
  return [...newest.values()]
}

/** The commands of the log that this database never gave: it is older than the log. */
export async function unknownCommands(client: pg.Client, newest: readonly LoggedCommand[]): Promise<object[]> {
  const { rows } = await client.query<{ symbol: string; seq: string; next: string | null }>(
    `select l.symbol, l.seq, m.next_command_seq::text as next
     from unnest($1::text[], $2::text[], $3::text[]) as l (symbol, seq, event_id)
     left join "order".markets m using (symbol)
     left join "order".outbox o on o.topic = '${COMMANDS}' and o.key = l.symbol and o.headers ->> 'command_seq' = l.seq
     where m.symbol is null or l.seq::bigint >= m.next_command_seq or o.headers ->> 'event-id' <> l.event_id`,
    [newest.map(({ symbol }) => symbol), newest.map(({ seq }) => String(seq)), newest.map(({ eventId }) => eventId)],
  )
  return rows
}

type Position = { schema: string; topic: string; partition: number; next_offset: string }

/** What reads on from somewhere further than its log goes: it would miss what is appended next. */
export async function positionsBeyond(
  client: pg.Client,
  ends: (topic: string) => Promise<readonly bigint[]>,
): Promise<object[]> {
  const known = new Map<string, Promise<readonly bigint[]>>()
  const wrong: object[] = []
  for (const position of [...(await cursorsOf(client)), ...(await snapshotsOf(client))]) {
    const topic = known.get(position.topic) ?? ends(position.topic)
    known.set(position.topic, topic)
    const end = (await topic)[position.partition] ?? 0n
    if (BigInt(position.next_offset) > end) wrong.push({ ...position, end: end.toString() })
  }
  return wrong
}

async function cursorsOf(client: pg.Client): Promise<Position[]> {
  const { rows: tables } = await client.query<{ schema: string; name: string }>(
    `select nspname as schema, quote_ident(nspname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where relname = 'consumer_cursors' and relkind = 'r'`,
  )
  const cursors: Position[] = []
  for (const { schema, name } of tables) {
    const { rows } = await client.query<Omit<Position, 'schema'>>(
      `select topic, partition, next_offset::text from ${name}.consumer_cursors`,
    )
    cursors.push(...rows.map((row) => ({ schema, ...row })))
  }
  return cursors
}

/** Where matching begins to read when it takes a partition over. */
async function snapshotsOf(client: pg.Client): Promise<Position[]> {
  const { rows: there } = await client.query<{ there: boolean }>(
    `select to_regclass('matching.snapshots') is not null as there`,
  )
  if (!there[0]?.there) return []
  const { rows } = await client.query<Position>(
    `select 'matching' as schema, topic, partition, max(next_offset)::text as next_offset
     from matching.snapshots, lateral (values ('${COMMANDS}', input_offset), ('${RESULTS}', output_offset))
       as at (topic, next_offset)
     group by topic, partition`,
  )
  return rows
}

/** The log that is in the database itself; undefined when there is none. */
export async function logInDatabase(
  client: pg.Client,
): Promise<((topic: string) => Promise<readonly bigint[]>) | undefined> {
  const { rows } = await client.query<{ there: boolean }>(`select to_regclass('event_log.heads') is not null as there`)
  if (!rows[0]?.there) return undefined
  return async (topic) => {
    const { rows: heads } = await client.query<{ next_offset: string }>(
      `select next_offset::text from event_log.heads h join event_log.topics t on t.id = h.topic_id
       where t.name = $1 order by partition`,
      [topic],
    )
    return heads.map(({ next_offset }) => BigInt(next_offset))
  }
}
