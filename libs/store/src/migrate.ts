import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { assert, type Logger } from '@bitka/kernel'
import pg from 'pg'
import { asDomainError } from './errors.ts'
import { isPlainName, quoteName } from './names.ts'

export type MigrateOptions = {
  /** URL of the role that owns the schema. */
  ownerUrl: string
  schema: string
  /** The folder with NNNN_name.sql files. */
  folder: string
  /** Takes the place of :app_role in the files. */
  appRole: string
  log: Logger
}

type Migration = { number: number; file: string; sql: string; checksum: string }

/**
 * Applies the migrations that the schema has not seen, in order, each in a transaction of its own; answers how many.
 * Safe to run from several processes at once. Migrations that the database has and the folder lacks are fine at the end:
 * a newer release has run.
 * @throws when a landed file was edited, a number is used twice, or a new file is numbered below a landed one
 */
export async function migrate(options: MigrateOptions): Promise<number> {
  const { schema, log } = options
  assert(isPlainName(options.appRole), `"${options.appRole}" is no role name`)
  const migrations = await readMigrations(options.folder)
  const client = new pg.Client({
    connectionString: options.ownerUrl,
    application_name: `migrate ${schema}`,
    options: `-c search_path=${quoteName(schema)},pg_temp`,
    connectionTimeoutMillis: 10_000,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    // Held by the session, so it is gone with the connection whatever happens.
    await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [`bitka.migrate.${schema}`])
    await client.query(`create table if not exists migrations (
      number int primary key, file text not null, checksum text not null, applied_at timestamptz not null default now())`)
    const pending = await pendingOf(client, schema, migrations)
    for (const migration of pending) {
      await apply(client, migration, options.appRole)
      log.info({ schema, migration: migration.file }, 'migration applied')
    }
    return pending.length
  } catch (error) {
    throw asDomainError(error)
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql')).sort()
  return Promise.all(
    files.map(async (file) => {
      const number = /^([0-9]{4})_[a-z0-9_]+\.sql$/.exec(file)?.[1]
      if (number === undefined) throw new Error(`migration ${file}: the name must be NNNN_name.sql`)
      if (files.filter((other) => other.startsWith(number)).length > 1)
        throw new Error(`migration number ${number} is used twice`)
      // A checkout with other line ends is the same migration.
      const sql = (await readFile(join(folder, file), 'utf8')).replaceAll('\r\n', '\n')
      return { number: Number(number), file, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

async function pendingOf(client: pg.Client, schema: string, migrations: Migration[]): Promise<Migration[]> {
  const { rows } = await client.query<{ number: number; file: string; checksum: string }>(
    'select number, file, checksum from migrations order by number',
  )
  const landed = new Map(rows.map((row) => [row.number, row]))
  const newestLanded = rows.at(-1)?.number ?? 0
  const newestFile = migrations.at(-1)?.number ?? 0
  for (const migration of migrations) {
    const row = landed.get(migration.number)
    if (row && row.checksum !== migration.checksum) {
      throw new Error(`migration ${schema}/${migration.file} was edited after it had landed; write a new one instead`)
    }
    if (!row && migration.number < newestLanded) {
      throw new Error(
        `migration ${schema}/${migration.file} is numbered below ${newestLanded}, which has landed; renumber it`,
      )
    }
  }
  const numbers = new Set(migrations.map(({ number }) => number))
  const missing = rows.find(({ number }) => number < newestFile && !numbers.has(number))
  if (missing) throw new Error(`migration ${schema}/${missing.file} has landed, but its file is gone`)
  return migrations.filter(({ number }) => !landed.has(number))
}

async function apply(client: pg.Client, migration: Migration, appRole: string): Promise<void> {
  // Not ::app_role, which would be a cast.
  const sql = migration.sql.replace(/(?<!:):app_role\b/g, appRole)
  await client.query('begin')
  try {
    await client.query(sql)
    await client.query('insert into migrations (number, file, checksum) values ($1, $2, $3)', [
      migration.number,
      migration.file,
      migration.checksum,
    ])
    const { command } = await client.query('commit')
    assert(command === 'COMMIT', `migration ${migration.file} did not commit`)
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw new Error(`migration ${migration.file} failed: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}
