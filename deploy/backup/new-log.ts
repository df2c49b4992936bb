import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

const COMMANDS = 'trading.orders.commands'
/** Events that were sent this long before the end of the database may not have been applied everywhere: sent again. */
const AGAIN = '1 hour'
/** A connection that has just been closed is there for a moment longer. */
const LEAVING_MS = 2_000

export type NewLogOptions = {
  /** URL of an admin, with the exchange's database. */
  url: string
  print: (line: string) => void
}

/**
 * Prepares a database for an event log that is new and empty, when the old one is lost or is newer than the database. Every
 * command goes into the new log again, in its old order; matching plays them all and comes to the same results under the
 * same numbers; whoever has applied those passes them over. One transaction: all of it, or nothing.
 * @throws when a service is connected, or the outbox no longer has every command
 */
export async function prepareForNewLog({ url, print }: NewLogOptions): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'new-log', statement_timeout: 0 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    await refuseConnections(client)
    await client.query('begin')
    await refuseMissingCommands(client)
    const { rowCount: snapshots } = await client.query('delete from matching.snapshots')
    for (const schema of await schemasWith(client, 'consumer_cursors')) {
      await client.query(
        `update ${schema}.consumer_cursors
         set next_offset = 0, stopped_offset = null, stopped_error = null, stopped_at = null`,
      )
    }
    const { rowCount: commands } = await client.query('update "order".outbox set sent_at = null where topic = $1', [
      COMMANDS,
    ])
    let others = 0
    for (const schema of await schemasWith(client, 'outbox')) {
      // Their consumers know an event that comes twice by its id.
      const { rowCount } = await client.query(
        `update ${schema}.outbox set sent_at = null
         where topic <> $1 and sent_at > (select max(created_at) from ${schema}.outbox) - $2::interval`,
        [COMMANDS, AGAIN],
      )
      others += rowCount ?? 0
    }
    await client.query('commit')
    print(`prepared for a new log: ${commands} commands and ${others} other events will be sent into it`)
    print(`                        ${snapshots} snapshots of the engine were removed; it plays all commands again`)
  } finally {
    await client.end()
  }
}

/** A service that runs would go on from positions that are about to change. */
async function refuseConnections(client: pg.Client): Promise<void> {
  const deadlineMs = performance.now() + LEAVING_MS
  for (;;) {
    // Outside of a transaction, which would see the same all the time.
    const { rows } = await client.query<{ role: string }>(
      `select distinct usename as role from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend' order by 1`,
    )
    if (rows.length === 0) return
    if (performance.now() > deadlineMs) {
      throw new Error(`the exchange must be stopped: ${rows.map(({ role }) => role).join(', ')} is connected`)
    }
    await sleep(50)
  }
}

async function refuseMissingCommands(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ symbol: string; wanted: string; kept: string }>(
    `select m.symbol, (m.next_command_seq - 1)::text as wanted, count(distinct o.headers ->> 'command_seq')::text as kept
     from "order".markets m left join "order".outbox o on o.topic = $1 and o.key = m.symbol
     group by 1, m.next_command_seq having count(distinct o.headers ->> 'command_seq') <> m.next_command_seq - 1`,
    [COMMANDS],
  )
  for (const { symbol, wanted, kept } of rows) {
    throw new Error(`the outbox has ${kept} of ${wanted} commands of ${symbol}: a new log cannot be made of it`)
  }
}

async function schemasWith(client: pg.Client, table: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select quote_ident(nspname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where relname = $1 and relkind = 'r' order by 1`,
    [table],
  )
  return rows.map(({ name }) => name)
}
