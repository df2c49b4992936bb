import { DrizzleQueryError } from 'drizzle-orm'
import { NodePgDatabase, NodePgSession } from 'drizzle-orm/node-postgres'
import { PgDialect, type PgPreparedQuery, type PreparedQueryConfig } from 'drizzle-orm/pg-core'
import type pg from 'pg'
import { asDomainError } from './errors.ts'
import type { Queryable } from './tx.ts'
import { INT8, parseInt8 } from './types.ts'

const dialect = new PgDialect()

type Session = NodePgSession<Record<string, never>, Record<string, never>>

/**
 * Drizzle wraps a failed query in an error that shows every parameter, and a parameter may be a secret: hand out pg's own
 * error instead. Transactions are begun by Db alone.
 */
class SafeSession extends NodePgSession<Record<string, never>, Record<string, never>> {
  override prepareQuery<T extends PreparedQueryConfig = PreparedQueryConfig>(
    ...args: Parameters<Session['prepareQuery']>
  ): PgPreparedQuery<T> {
    const prepared = super.prepareQuery<T>(...args)
    const execute = prepared.execute.bind(prepared)
    prepared.execute = async (values) => {
      try {
        return await execute(values)
      } catch (error) {
        throw asDomainError(error instanceof DrizzleQueryError ? (error.cause ?? error) : error)
      }
    }
    return prepared
  }

  override transaction<T>(): Promise<T> {
    return Promise.reject(new Error('use Db.transaction, and savepoint() inside one'))
  }
}

type OrmQuery = pg.QueryConfig & { types?: { getTypeParser(oid: number, format?: string): unknown } }

/** Drizzle over anything that runs SQL. Drizzle brings its own type parsers, all but the one for int8 are kept. */
export function ormOver(target: Queryable): NodePgDatabase {
  const client = {
    query(config: OrmQuery, params?: unknown[]) {
      const theirs = config.types
      const getTypeParser = (oid: number, format?: string) =>
        oid === INT8 ? parseInt8 : theirs?.getTypeParser(oid, format)
      return target.query({ ...config, types: { getTypeParser } } as pg.QueryConfig, params)
    },
  }
  // The session calls nothing but query().
  const session = new SafeSession(client as unknown as pg.PoolClient, dialect, undefined)
  return new NodePgDatabase(dialect, session as never, undefined)
}
