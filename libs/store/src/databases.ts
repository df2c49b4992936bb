import { assert } from '@bitka/kernel'
import pg from 'pg'
import { asDomainError } from './errors.ts'
import { isPlainName } from './names.ts'

/** The same server, with another database or role. */
export function databaseUrl(url: string, change: { database?: string; user?: string; password?: string }): string {
  const changed = new URL(url)
  if (change.database !== undefined) changed.pathname = `/${encodeURIComponent(change.database)}`
  if (change.user !== undefined) changed.username = encodeURIComponent(change.user)
  if (change.password !== undefined) changed.password = encodeURIComponent(change.password)
  return changed.href
}

async function runAsAdmin(adminUrl: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl, connectionTimeoutMillis: 10_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query(sql)
  } catch (error) {
    throw asDomainError(error)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Makes the database unless it exists; answers the admin's URL of it. */
export async function createDatabase(adminUrl: string, name: string): Promise<string> {
  assert(isPlainName(name), `"${name}" is no database name`)
  try {
    // Not template1, in which another session may sit.
    await runAsAdmin(adminUrl, `create database ${name} template template0`)
  } catch (error) {
    // duplicate_database, or its index when two create it at once.
    const code = error instanceof pg.DatabaseError ? error.code : undefined
    if (code !== '42P04' && code !== '23505') throw error
  }
  return databaseUrl(adminUrl, { database: name })
}

/** Drops the database, with the sessions that use it. */
export async function dropDatabase(adminUrl: string, name: string): Promise<void> {
  assert(isPlainName(name), `"${name}" is no database name`)
  await runAsAdmin(adminUrl, `drop database if exists ${name} with (force)`)
}
