import { assert } from '@bitka/kernel'
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import type pg from 'pg'

/** Anything that runs one SQL statement: the pool or a transaction. */
export type Queryable = {
  query<R extends pg.QueryResultRow = pg.QueryResultRow>(
    sql: string | pg.QueryConfig,
    params?: unknown[],
  ): Promise<pg.QueryResult<R>>
}

/** One open transaction. It cannot be used after the function that got it has ended. */
export type Tx = Queryable & {
  /** Drizzle over this transaction's connection. */
  readonly orm: NodePgDatabase
  /** Runs `fn` once the transaction is committed, never if it is rolled back. For waking a relay, not for effects that must happen. */
  afterCommit(fn: () => void): void
}

/** What a transaction keeps that its users do not see. */
export type TxState = {
  afterCommit: (() => void)[]
  /** Refusals that are part of the outcome: the transaction commits, then throws them. See idempotent(). */
  readonly decided: Set<unknown>
  savepoints: number
}

const states = new WeakMap<Tx, TxState>()

export function keepState(tx: Tx, state: TxState): void {
  states.set(tx, state)
}

export function stateOf(tx: Tx): TxState {
  const state = states.get(tx)
  assert(state, 'this Tx was not made by Db.transaction')
  return state
}

/**
 * Runs `fn` so that an error undoes only what `fn` did: the transaction stays usable, the error is thrown on. What `fn`
 * handed to afterCommit is dropped with it.
 */
export async function savepoint<T>(tx: Tx, fn: () => Promise<T>): Promise<T> {
  const state = stateOf(tx)
  state.savepoints += 1
  const name = `sp_${state.savepoints}`
  const callbacks = state.afterCommit.length
  await tx.query(`savepoint ${name}`)
  try {
    const result = await fn()
    await tx.query(`release savepoint ${name}`)
    return result
  } catch (error) {
    state.afterCommit.length = callbacks
    await tx.query(`rollback to savepoint ${name}; release savepoint ${name}`)
    throw error
  }
}
