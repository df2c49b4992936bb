import { fileURLToPath } from 'node:url'
import { appRole, type Queryable } from '@bitka/store'
import { topics as allTopics, type TopicTable } from '../topics.ts'

/** The schema of the log; for `migrate` and `bootstrapDatabase` the log is a service of that name. */
export const eventLogSchema = 'event_log'

/** The log's own migrations, beside the source. A bundled program passes the folder that it ships instead. */
export const eventLogMigrations = fileURLToPath(new URL('../../migrations', import.meta.url))

/**
 * Makes topics, partitions and permissions as the table of topics says. Runs as the log's owner (or an admin) at every
 * start, after the migrations; safe to repeat, alone or side by side. Answers the roles that do not exist yet.
 */
export async function syncTopics(
  db: Queryable,
  options: { rolePrefix?: string; topics?: TopicTable } = {},
): Promise<{ missingRoles: string[] }> {
  const { rolePrefix = '', topics = allTopics } = options
  const rows = Object.entries(topics).map(([name, { money, partitions, producers, consumers }]) => ({
    name,
    money,
    partitions,
    producers: producers.map((service) => rolePrefix + appRole(service)),
    consumers: consumers.map((service) => rolePrefix + appRole(service)),
  }))
  const result = await db.query<{ missing: string[] }>(`select event_log.sync_topics($1::jsonb) as missing`, [
    JSON.stringify(rows),
  ])
  return { missingRoles: result.rows[0]?.missing ?? [] }
}

/** Deletes old records of every topic that is not kept; answers how many. Runs as the log's owner, every hour or so. */
export async function pruneTopics(
  db: Queryable,
  options: { olderThan: Date; maxRowsPerPartition?: number; topics?: TopicTable },
): Promise<number> {
  const { olderThan, maxRowsPerPartition = 10_000, topics = allTopics } = options
  let deleted = 0
  for (const [name, { money }] of Object.entries(topics)) {
    if (money) continue
    const { rows } = await db.query<{ deleted: number }>('select event_log.prune_records($1, $2, $3) as deleted', [
      name,
      olderThan,
      maxRowsPerPartition,
    ])
    deleted += rows[0]?.deleted ?? 0
  }
  return deleted
}
