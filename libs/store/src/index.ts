export { type BootstrapOptions, bootstrapDatabase, type ServiceDbSpec } from './bootstrap.ts'
export { bytea } from './columns.ts'
export { createDatabase, databaseUrl, dropDatabase } from './databases.ts'
export { type Db, type DbConfig, type OpenDbOptions, openDb } from './db.ts'
export { asDomainError, breaks, rootCause } from './errors.ts'
export { type Hints, type HintsOptions, openHints } from './hints.ts'
export {
  type Codec,
  type IdempotencyKey,
  idempotent,
  jsonCodec,
  purgeIdempotency,
  readIdempotencyKey,
  requestHash,
} from './idempotency.ts'
export { type MigrateOptions, migrate } from './migrate.ts'
export { appRole, ownerRole, quoteName, schemaName } from './names.ts'
export {
  cursorTime,
  cutPage,
  decodeCursor,
  encodeCursor,
  type Page,
  type Pagination,
  pagination,
  parsePage,
} from './pagination.ts'
export { preparedRead } from './prepared.ts'
export { type Queryable, savepoint, type Tx } from './tx.ts'
