import { readFile } from 'node:fs/promises'
import { silentLogger } from '@bitka/kernel'
import { type Db, migrate, openDb } from '@bitka/store'
import { type TestDatabase, testDatabase } from '@bitka/testkit'
import pg from 'pg'
import {
  type EventLog,
  eventLogMigrations,
  eventLogSchema,
  openPostgresLog,
  topics as realTopics,
  syncTopics,
  type TopicTable,
} from '../src/index.ts'

export type EventsFixture = {
  database: TestDatabase
  /** As a service; closed by stop(). */
  log(service: string): EventLog
  db(service: string): Db
  /** One statement as a role of the database. */
  run<R extends pg.QueryResultRow>(url: string, sql: string, params?: unknown[]): Promise<R[]>
  sync(topics: TopicTable): Promise<void>
  stop(): Promise<void>
}

/** A database with the event log in it and, in the schema of each service, the tables that services copy from us. */
export async function eventsFixture(services: string[], topics: TopicTable = realTopics): Promise<EventsFixture> {
  const database = await testDatabase({ services: [eventLogSchema, ...services] })
  const run: EventsFixture['run'] = async (url, sql, params) => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      return (await client.query(sql, params)).rows
    } finally {
      await client.end()
    }
  }
  const own = database.of(eventLogSchema)
  await migrate({
    ownerUrl: own.ownerUrl,
    schema: own.schema,
    folder: eventLogMigrations,
    appRole: own.appRole,
    log: silentLogger,
  })
  const ownerDb = openDb({ url: own.ownerUrl, schema: eventLogSchema, poolSize: 1 })
  const sync = async (table: TopicTable): Promise<void> => void (await syncTopics(ownerDb, { topics: table }))
  await sync(topics)
  const tables = await readFile(new URL('../sql/service-tables.sql', import.meta.url), 'utf8')
  for (const service of services) {
    const { ownerUrl, schema, appRole } = database.of(service)
    await run(ownerUrl, `set search_path = "${schema}"; ${tables.replaceAll(':app_role', appRole)}`)
  }
  const closers: (() => Promise<void>)[] = []
  return {
    database,
    run,
    sync,
    log(service) {
      const log = openPostgresLog({ url: database.of(service).appUrl, service, logger: silentLogger })
      closers.push(() => log.close())
      return log
    },
    db(service) {
      const { appUrl, schema } = database.of(service)
      const db = openDb({ url: appUrl, schema })
      closers.push(() => db.close())
      return db
    },
    async stop() {
      // Logs first: they may wait for handlers that use a Db.
      for (const close of closers.reverse()) await close().catch(() => undefined)
      await ownerDb.close()
      await database.drop()
    },
  }
}
