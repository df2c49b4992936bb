// A matching process for the crash tests: runs until BITKA_CRASH_POINT kills it.
import { openPostgresLog } from '@bitka/events'
import { silentLogger } from '@bitka/kernel'
import { openDb } from '@bitka/store'
import { Registry } from 'prom-client'
import { matchingMetrics } from '../src/runner/metrics.ts'
import { startRunner } from '../src/runner/runner.ts'

const [url, snapshotEvery] = process.argv.slice(2) as [string, string]
startRunner({
  log: openPostgresLog({ url, service: 'matching', logger: silentLogger }),
  db: openDb({ url, schema: 'matching' }),
  logger: silentLogger,
  snapshotEvery: Number(snapshotEvery),
  metrics: matchingMetrics(new Registry()),
})
// Nothing crashed: the parent sees that by the exit code.
setTimeout(() => process.exit(0), 60_000)
