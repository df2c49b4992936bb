import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLogger } from '@bitka/kernel'
import { tempDir, testDatabase } from '@bitka/testkit'
import pg from 'pg'
import { serviceTable } from '../table/index.ts'
import { migrateAll } from './migrate.ts'

const services = serviceTable.filter(({ database }) => database).map(({ name }) => name)

it('makes roles and schemas, migrates every service, and may be run again', async () => {
  const database = await testDatabase({ services })
  try {
    const folder = await tempDir()
    for (const service of services) {
      await writeFile(join(folder, `${service}-owner-url`), `${database.of(service).ownerUrl}\n`)
      await writeFile(join(folder, `${service}-app-url`), `${database.of(service).appUrl}\n`)
    }
    const env = { BITKA_DB_URLS: folder, BITKA_DB_ADMIN_URL: database.adminUrl }
    await migrateAll(env, silentLogger)
    await migrateAll({ BITKA_DB_URLS: folder }, silentLogger)
    const client = new pg.Client({ connectionString: database.adminUrl })
    await client.connect()
    try {
      const { rows } = await client.query(`select schemaname from pg_tables where tablename = 'migrations' order by 1`)
      expect(rows.map(({ schemaname }) => schemaname)).toEqual(services.map((name) => name.replace('-', '_')).sort())
    } finally {
      await client.end()
    }
  } finally {
    await database.drop()
  }
})

it('says what is wrong with its URLs before it touches the database', async () => {
  const folder = await tempDir()
  const run = (own: Record<string, string> = {}) =>
    migrateAll({ BITKA_DB_URLS: folder, BITKA_MIGRATE_SERVICES: 'order', ...own }, silentLogger)
  await expect(run()).rejects.toThrow(/order-(owner|app)-url cannot be read/)
  await writeFile(join(folder, 'order-app-url'), 'postgresql://order_app:secret@localhost/bitka')
  await writeFile(join(folder, 'order-owner-url'), 'postgresql://postgres:secret@localhost/bitka')
  await expect(run()).rejects.toThrow('order-owner-url must be a URL of the role order_owner')
  await expect(run({ BITKA_MIGRATE_SERVICES: 'gateway' })).rejects.toThrow('must be services that have a database')
})
