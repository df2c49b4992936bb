import type { NodePgDatabase } from 'drizzle-orm/node-postgres'

/**
 * A drizzle query that is built once for a pool, and that each of its connections plans once: building and planning would
 * cost more than it takes. The name that it is prepared under has to be unique.
 */
export function preparedRead<P>(build: (orm: NodePgDatabase) => P): (db: { readonly orm: NodePgDatabase }) => P {
  const built = new WeakMap<NodePgDatabase, P>()
  return ({ orm }) => {
    const known = built.get(orm)
    if (known !== undefined) return known
    const query = build(orm)
    built.set(orm, query)
    return query
  }
}
