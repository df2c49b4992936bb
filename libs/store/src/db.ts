import { type Logger, silentLogger } from '@bitka/kernel'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import type { Registry } from 'prom-client'
import { asDomainError } from './errors.ts'
import { observePool } from './metrics.ts'
import { quoteName } from './names.ts'
import { ormOver } from './orm.ts'
import { keepState, type Queryable, type Tx, type TxState } from './tx.ts'
import { typeParsers } from './types.ts'

export type DbConfig = {
  /** postgres:// URL of the service's app role. */
  url: string
  /** The search_path: the service's own schema. */
  schema: string
  /** The most connections; default 10. */
  poolSize?: number
  /** Ends a statement that runs longer; default 10 s. */
  statementTimeoutMs?: number
  /** Ends a wait for a lock; default 5 s. */
  lockTimeoutMs?: number
  /** Ends a session that sits in a transaction without a query; default 15 s. */
  idleInTransactionTimeoutMs?: number
  /** How long to wait for a connection, a free one of the pool included; default 5 s. */
  connectTimeoutMs?: number
  /** Shown in pg_stat_activity; default the schema's name. */
  applicationName?: string
}

export type OpenDbOptions = {
  log?: Logger
  /** Gets the gauges bitka_db_pool_connections and bitka_db_pool_waiting, labelled by schema. */
  registry?: Registry
}

export type TransactionOptions = {
  isolation?: 'read committed' | 'repeatable read' | 'serializable'
  readOnly?: boolean
}

/** A service's database. Every error that means "not now" is DomainError('unavailable'). */
export type Db = Queryable & {
  /** Drizzle over the pool, for reads outside a transaction. */
  readonly orm: NodePgDatabase
  readonly pool: pg.Pool
  /** Runs `fn` in one transaction: commits when it resolves, rolls back when it throws. Never retried by itself. */
  transaction<T>(fn: (tx: Tx) => Promise<T>, options?: TransactionOptions): Promise<T>
  /** Ends the pool after the connections in use have come back. */
  close(): Promise<void>
}

/** Opens a pool. It connects at the first query, and again by itself after PostgreSQL was restarted. */
export function openDb(config: DbConfig, options: OpenDbOptions = {}): Db {
  const log = options.log ?? silentLogger
  const pool = new pg.Pool({
    connectionString: config.url,
    max: config.poolSize ?? 10,
    application_name: config.applicationName ?? config.schema,
    connectionTimeoutMillis: config.connectTimeoutMs ?? 5_000,
    statement_timeout: config.statementTimeoutMs ?? 10_000,
    lock_timeout: config.lockTimeoutMs ?? 5_000,
    idle_in_transaction_session_timeout: config.idleInTransactionTimeoutMs ?? 15_000,
    // pg_temp last, or a temporary table could stand in for a real one.
    options: `-c search_path=${quoteName(config.schema)},pg_temp`,
    keepAlive: true,
    types: typeParsers,
  })
  // Without a listener a connection lost while idle (PostgreSQL restarts) would end the process.
  pool.on('error', (error) => log.warn({ err: error, schema: config.schema }, 'lost an idle database connection'))
  // The pool's own listener leaves a client that is checked out, so each client needs one as well.
  pool.on('connect', (client) => client.on('error', () => undefined))
  const stopObserving = options.registry ? observePool(options.registry, config.schema, pool) : undefined
  const query: Queryable['query'] = async (sql, params) => {
    try {
      return await pool.query(typeof sql === 'string' ? { text: sql } : sql, params)
    } catch (error) {
      throw asDomainError(error)
    }
  }
  let closing: Promise<void> | undefined
  return {
    query,
    orm: ormOver({ query }),
    pool,
    transaction: (fn, transactionOptions) => runTransaction(pool, log, fn, transactionOptions),
    close() {
      stopObserving?.()
      closing ??= pool.end()
      return closing
    },
  }
}

async function runTransaction<T>(
  pool: pg.Pool,
  log: Logger,
  fn: (tx: Tx) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => Promise.reject(asDomainError(error)))
  const state: TxState = { afterCommit: [], decided: new Set(), savepoints: 0 }
  const { tx, end } = openTx(client, state)
  let broken = false
  try {
    await client.query(begin(options))
    const outcome = await settle(() => fn(tx), state)
    await end()
    const { command } = await client.query('commit')
    // PostgreSQL answers COMMIT of a failed transaction with ROLLBACK and no error: `fn` hid a failure.
    if (command !== 'COMMIT')
      throw new Error('the transaction had failed and was rolled back, yet its function did not throw')
    for (const callback of state.afterCommit) runCallback(callback, log)
    if ('refusal' in outcome) throw new Decided(outcome.refusal)
    return outcome.value
  } catch (error) {
    if (error instanceof Decided) throw error.refusal
    await end()
    // A connection that cannot even roll back is thrown away; PostgreSQL undoes the rest.
    await client.query('rollback').catch(() => {
      broken = true
    })
    throw asDomainError(error)
  } finally {
    client.release(broken)
  }
}

/** Carries a refusal past the rollback: it was committed. */
class Decided {
  constructor(readonly refusal: unknown) {}
}

/** The function's value, or a refusal that idempotent() has recorded and that must be committed. */
async function settle<T>(fn: () => Promise<T>, state: TxState): Promise<{ value: T } | { refusal: unknown }> {
  try {
    return { value: await fn() }
  } catch (error) {
    if (state.decided.has(error)) return { refusal: error }
    throw error
  }
}

function begin({ isolation, readOnly }: TransactionOptions): string {
  return `begin${isolation ? ` isolation level ${isolation}` : ''}${readOnly ? ' read only' : ''}`
}

/** A Tx over one client. Queries made side by side go one after the other, since a connection runs one at a time. */
function openTx(client: pg.PoolClient, state: TxState): { tx: Tx; end: () => Promise<void> } {
  let ended = false
  let tail: Promise<unknown> = Promise.resolve()
  const query: Queryable['query'] = <R extends pg.QueryResultRow>(sql: string | pg.QueryConfig, params?: unknown[]) => {
    if (ended) return Promise.reject(new Error('this transaction has ended; was a query not awaited?'))
    const config = typeof sql === 'string' ? { text: sql } : sql
    const result = tail
      .then(() => client.query<R>(config, params))
      .catch((error: unknown) => Promise.reject(asDomainError(error)))
    tail = result.catch(() => undefined)
    return result
  }
  const tx: Tx = { query, orm: ormOver({ query }), afterCommit: (fn) => void state.afterCommit.push(fn) }
  keepState(tx, state)
  const end = async () => {
    ended = true
    await tail
  }
  return { tx, end }
}

function runCallback(callback: () => void, log: Logger): void {
  try {
    callback()
  } catch (error) {
    log.error({ err: error }, 'an afterCommit callback failed')
  }
}
