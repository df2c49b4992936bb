import type { Orm } from './tables.ts'

/**
 * A query that is built once for a pool, and that each of its connections plans once: building and planning would cost more
 * than it takes. Its name is the statement's, so it has to be unique.
 */
export function prepared<P>(build: (orm: Orm['orm']) => P): (db: Orm) => P {
  const built = new WeakMap<Orm['orm'], P>()
  return ({ orm }) => {
    const known = built.get(orm)
    if (known !== undefined) return known
    const query = build(orm)
    built.set(orm, query)
    return query
  }
}
