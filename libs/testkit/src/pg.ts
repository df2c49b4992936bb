import { randomBytes } from 'node:crypto'
import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { startPostgres } from '@bitka/embedded-pg'
import { silentLogger } from '@bitka/kernel'
import {
  appRole,
  bootstrapDatabase,
  createDatabase,
  databaseUrl,
  dropDatabase,
  ownerRole,
  schemaName,
} from '@bitka/store'
import { runDir } from './run-dir.ts'
import { waitFor } from './wait.ts'

// What a machine's crash could lose matters to no test; kill -9 of PostgreSQL loses nothing with these either.
const FAST = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'on' }

let started: Promise<{ adminUrl: string }> | undefined

/**
 * The PostgreSQL of this test run, shared by all its files: the first to ask starts it, the run's guard stops it. For
 * faults of the server start one of your own with startPostgres.
 */
export function testPostgres(): Promise<{ adminUrl: string }> {
  started ??= startOnce()
  return started
}

async function startOnce(): Promise<{ adminUrl: string }> {
  const folder = join(runDir(), 'pg')
  await mkdir(folder, { recursive: true, mode: 0o711 })
  // Two workers may come here at the same time; the second then finds a running server and adopts it.
  const lock = join(folder, 'starting')
  await waitFor(() => mkdir(lock).then(() => true), { timeoutMs: 60_000, what: 'another worker to start PostgreSQL' })
  try {
    const { adminUrl } = await startPostgres({ dataDir: join(folder, 'data'), log: silentLogger, settings: FAST })
    return { adminUrl }
  } finally {
    await rmdir(lock)
  }
}

export type TestDatabase = {
  /** Superuser, this database. */
  adminUrl: string
  name: string
  /** By service name. */
  services: Record<string, TestServiceDatabase>
  /** One service's; fails for a service that was not asked for. */
  of(service: string): TestServiceDatabase
  drop(): Promise<void>
}
export type TestServiceDatabase = {
  schema: string
  ownerUrl: string
  appUrl: string
  ownerRole: string
  appRole: string
}

// Roles belong to the whole server and databases are made side by side: fixed passwords, or one suite would lock out another.
const passwordOf = (role: string): string => `test-password-of-${role}`

/** A fresh database with the roles and schemas of these services, and no tables yet. */
export async function testDatabase(options: { services: readonly string[] }): Promise<TestDatabase> {
  const server = await testPostgres()
  const name = `t_${randomBytes(8).toString('hex')}`
  const adminUrl = await createDatabase(server.adminUrl, name)
  const specs = options.services.map((service) => ({
    service,
    ownerPassword: passwordOf(ownerRole(service)),
    appPassword: passwordOf(appRole(service)),
  }))
  await bootstrapDatabase({ adminUrl, services: specs })
  const url = (role: string) => databaseUrl(adminUrl, { user: role, password: passwordOf(role) })
  const services = Object.fromEntries(
    options.services.map((service) => {
      const [owner, app] = [ownerRole(service), appRole(service)]
      return [
        service,
        { schema: schemaName(service), ownerUrl: url(owner), appUrl: url(app), ownerRole: owner, appRole: app },
      ]
    }),
  )
  return {
    adminUrl,
    name,
    services,
    of(service) {
      const found = services[service]
      if (!found) throw new Error(`this test database has no service "${service}"`)
      return found
    },
    drop: () => dropDatabase(server.adminUrl, name),
  }
}
