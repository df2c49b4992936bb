import { ConfigError, createLogger } from '@bitka/kernel'
import { migrateAll } from './migrate.ts'

const log = createLogger('migrate', { level: process.env.BITKA_LOG_LEVEL ?? 'info' })
migrateAll(process.env, log).catch((error: unknown) => {
  const text = error instanceof ConfigError ? error.message : error instanceof Error ? error.stack : String(error)
  process.stderr.write(`${text}\n`)
  process.exit(1)
})
