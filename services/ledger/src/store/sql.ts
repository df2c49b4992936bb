import type { Queryable } from '@bitka/store'
import type pg from 'pg'
import type { Orm } from './tables.ts'

/** A statement that every connection prepares once: parsing and planning would cost more than many of these take. */
export const prepared =
  <R extends pg.QueryResultRow = pg.QueryResultRow>(name: string, text: string) =>
  async (db: Queryable, params: unknown[]): Promise<R[]> =>
    (await db.query<R>({ name: `ledger.${name}`, text }, params)).rows

/** The same for a query of drizzle's: built once for a pool. The name that it is prepared under has to be unique. */
export function preparedRead<P>(build: (orm: Orm['orm']) => P): (db: Orm) => P {
  const built = new WeakMap<Orm['orm'], P>()
  return ({ orm }) => {
    const known = built.get(orm)
    if (known !== undefined) return known
    const query = build(orm)
    built.set(orm, query)
    return query
  }
}

/** numeric[] travels as text. */
export const texts = (amounts: readonly bigint[]): string[] => amounts.map(String)
