import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { repositoryFolder } from '@bitka/service'
import { Cleanup } from './cleanup.ts'
import { benchEngine } from './engine/bench.ts'
import { benchExchange } from './exchange/bench.ts'
import { benchLedger } from './ledger/bench.ts'
import { machine } from './machine.ts'
import { readOptions } from './options.ts'
import { type Metric, table } from './report.ts'
import { benchStack, stackRuns } from './stack/bench.ts'
import { tempFolder } from './temp-folder.ts'

/** A run that takes longer hangs. */
const RUN_TIMEOUT_MS = 20 * 60_000

/** `make bench`: measures, prints one table and writes bench/out/latest.json. */
async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  const root = dirname(repositoryFolder('package-lock.json'))
  const where = machine(root)
  const cleanup = new Cleanup()
  const giveUp = (why: string): void => {
    console.error(why)
    void cleanup.run().then(() => process.exit(1))
  }
  process.once('SIGINT', () => giveUp('interrupted'))
  process.once('SIGTERM', () => giveUp('terminated'))
  const guard = setTimeout(() => giveUp('the bench took too long'), RUN_TIMEOUT_MS)
  const log = (line: string): void => console.log(`  ${line}`)
  console.log(JSON.stringify({ ...where, ...options }))
  const metrics: Metric[] = []
  try {
    if (options.only.includes('engine')) metrics.push(...benchEngine({ ...options, log }))
    if (options.only.includes('ledger')) {
      metrics.push(...(await benchLedger({ ...options, folder: tempFolder(cleanup), cleanup, log })))
      await cleanup.run()
    }
    if (options.only.includes('orders') || options.only.includes('up')) {
      const orders = options.only.includes('orders')
      const measured = await benchExchange({ ...options, root, folder: tempFolder(cleanup), orders, cleanup, log })
      metrics.push(...measured.orders, ...measured.up)
      await cleanup.run()
    }
    if (options.only.includes('stack')) {
      if (stackRuns()) metrics.push(...(await benchStack({ ...options, cleanup, log })))
      else
        log(
          'stack: no stack runs here, so nothing of it was measured; BITKA_RATE_LIMIT_SCALE=0 make stack-up starts one',
        )
    }
  } finally {
    await cleanup.run()
    clearTimeout(guard)
  }
  const all = metrics.map((metric) => ({ ...metric, conditions: { ...metric.conditions, machine: where } }))
  const out = join(root, 'bench/out/latest.json')
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(out, `${JSON.stringify(all, null, 2)}\n`)
  console.log(`\n${table(all)}\n\nwritten to bench/out/latest.json`)
}

try {
  await main()
} catch (error) {
  console.error(error)
  // Not process.exit: what was printed would be cut off.
  process.exitCode = 1
}
