import type { Tx } from '@bitka/store'
import type { StoredRecord } from '../src/index.ts'

/** A service's effect for tests: one row a record, with no key that would hide a second one. */
export const effectsTable =
  'create table effects (id bigint generated always as identity primary key, value text not null)'

export async function applyEffects(tx: Tx, records: StoredRecord[]): Promise<void> {
  await tx.query(
    'insert into effects (value) select v from unnest($1::text[]) with ordinality as t (v, n) order by n',
    [records.map(({ value }) => new TextDecoder().decode(value))],
  )
}
