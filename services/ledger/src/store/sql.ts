import type { Queryable } from '@bitka/store'
import type pg from 'pg'

/** A statement that every connection prepares once: parsing and planning would cost more than many of these take. */
export const prepared =
  <R extends pg.QueryResultRow = pg.QueryResultRow>(name: string, text: string) =>
  async (db: Queryable, params: unknown[]): Promise<R[]> =>
    (await db.query<R>({ name: `ledger.${name}`, text }, params)).rows

/** numeric[] travels as text. */
export const texts = (amounts: readonly bigint[]): string[] => amounts.map(String)
