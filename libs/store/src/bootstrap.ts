import pg from 'pg'
import { asDomainError } from './errors.ts'
import { appRole, ownerRole, quoteName, schemaName } from './names.ts'
import { scramVerifier } from './scram.ts'

export type ServiceDbSpec = {
  /** The service's name, "market-data": its schema is market_data, its roles market_data_owner and market_data_app. */
  service: string
  ownerPassword: string
  appPassword: string
}

export type BootstrapOptions = {
  /** URL of a role that may create roles and schemas, with the database to prepare. */
  adminUrl: string
  services: ServiceDbSpec[]
}

/**
 * Gives each service a schema and two login roles: the owner, for migrations, and the app role, which owns nothing, is
 * member of nothing and may only use what the migrations grant it. Takes from PUBLIC what PostgreSQL gives it. Safe to
 * repeat; a changed password is set.
 */
export async function bootstrapDatabase({ adminUrl, services }: BootstrapOptions): Promise<void> {
  const client = new pg.Client({
    connectionString: adminUrl,
    application_name: 'bootstrap',
    connectionTimeoutMillis: 10_000,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    for (const spec of services) {
      for (const [role, password] of rolesOf(spec)) await ensureRole(client, role, password)
    }
    await inTransaction(client, async () => {
      // Two services starting at once would grant on the same rows; the later waits instead of failing.
      await client.query(`select pg_advisory_xact_lock(hashtextextended('bitka.bootstrap', 0))`)
      await closeDatabase(client)
      for (const spec of services) await ensureSchema(client, spec)
    })
  } catch (error) {
    throw asDomainError(error)
  } finally {
    await client.end().catch(() => undefined)
  }
}

const rolesOf = ({ service, ownerPassword, appPassword }: ServiceDbSpec): [string, string][] => [
  [ownerRole(service), ownerPassword],
  [appRole(service), appPassword],
]

async function inTransaction(client: pg.Client, fn: () => Promise<void>): Promise<void> {
  await client.query('begin')
  try {
    await fn()
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}

/** Roles belong to the whole cluster: another database's bootstrap may be at the same one, so a clash is tried again. */
async function ensureRole(client: pg.Client, role: string, password: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { rowCount } = await client.query('select 1 from pg_roles where rolname = $1', [role])
      const verb = rowCount === 0 ? 'create' : 'alter'
      await client.query(`${verb} role ${role} with login noinherit password '${scramVerifier(password)}'`)
      return
    } catch (error) {
      if (attempt === 10 || !isClash(error)) throw error
    }
  }
}

const isClash = (error: unknown): boolean =>
  error instanceof pg.DatabaseError &&
  (error.code === '42710' || error.code === '23505' || error.message === 'tuple concurrently updated')

async function closeDatabase(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>('select quote_ident(current_database()) as name')
  const database = rows[0]?.name ?? ''
  await client.query(`revoke connect, temporary on database ${database} from public`)
  await client.query('revoke all on schema public from public')
}

async function ensureSchema(client: pg.Client, { service }: ServiceDbSpec): Promise<void> {
  const [schema, owner, app] = [quoteName(schemaName(service)), ownerRole(service), appRole(service)]
  const { rows } = await client.query<{ database: string; is_superuser: boolean }>(
    'select quote_ident(current_database()) as database, rolsuper as is_superuser from pg_roles where rolname = current_user',
  )
  const [row] = rows
  // Only a member of the owner role may create a schema for it.
  if (!row?.is_superuser) await client.query(`grant ${owner} to current_user`)
  await client.query(`create schema if not exists ${schema} authorization ${owner}`)
  await client.query(`grant connect on database ${row?.database} to ${owner}, ${app}`)
  await client.query(`revoke all on schema ${schema} from public`)
  await client.query(`grant usage on schema ${schema} to ${app}`)
}
