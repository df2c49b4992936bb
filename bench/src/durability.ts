import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { appRole, databaseUrl } from '@bitka/store'
import pg from 'pg'

/** The settings of durability, as a session of this role has them. */
export async function durability(url: string): Promise<Record<string, string>> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ name: string; setting: string }>(
      `select name, current_setting(name) as setting from pg_settings where name in
         ('fsync', 'full_page_writes', 'synchronous_commit', 'shared_buffers', 'wal_compression', 'server_version')`,
    )
    return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))
  } finally {
    await client.end()
  }
}

/** The same of a running exchange, as its order service's own role. */
export async function durabilityOfExchange(dataDir: string): Promise<Record<string, string>> {
  const secrets = JSON.parse(readFileSync(join(dataDir, 'secrets.json'), 'utf8')) as {
    database: Record<string, string>
  }
  const port = readFileSync(join(dataDir, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')[3]
  const user = appRole('order')
  return durability(databaseUrl(`postgres://127.0.0.1:${port}/bitka`, { user, password: secrets.database[user] }))
}
