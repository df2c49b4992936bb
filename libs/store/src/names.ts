import { assert } from '@bitka/kernel'

const NAME = /^[a-z][a-z0-9_]{0,50}$/

/** True for a name that is safe in SQL without quoting. */
export const isPlainName = (name: string): boolean => NAME.test(name)

/** Quotes a name for SQL: schemas are called user and order, which are reserved words. */
export function quoteName(name: string): string {
  assert(isPlainName(name), `"${name}" is no plain name`)
  return `"${name}"`
}

/** The schema of a service: its name with "_" for "-" (market-data → market_data). */
export function schemaName(service: string): string {
  const schema = service.replaceAll('-', '_')
  assert(isPlainName(schema), `"${service}" is no service name`)
  return schema
}

/** The role that owns a service's schema and runs its migrations. */
export const ownerRole = (service: string): string => `${schemaName(service)}_owner`

/** The role a service runs as. It owns nothing. */
export const appRole = (service: string): string => `${schemaName(service)}_app`
