import { customType } from 'drizzle-orm/pg-core'

/** A bytea column, which drizzle has no type of its own for. */
export const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' })
