// A service process for the crash tests: runs a relay or a consumer until BITKA_CRASH_POINT kills it.
import { silentLogger } from '@bitka/kernel'
import { openDb } from '@bitka/store'
import { openPostgresLog, startConsumer, startRelay } from '../src/index.ts'
import { applyEffects } from './effects.ts'

const [role, url, schema] = process.argv.slice(2) as [string, string, string]
const service = schema as 'order' | 'matching'
const db = openDb({ url, schema })
const log = openPostgresLog({ url, service, logger: silentLogger })
if (role === 'relay') await startRelay({ db, log, logger: silentLogger, service, batch: 10 })
else {
  await startConsumer({
    log,
    db,
    group: 'matching.effects',
    topics: ['trading.orders.commands'],
    ordered: true,
    handle: applyEffects,
    logger: silentLogger,
    maxBatch: 7,
  })
}
// Nothing crashed: the parent sees that by the exit code.
setTimeout(() => process.exit(0), 60_000)
