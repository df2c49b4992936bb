import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ExchangeProcess } from '@bitka/testkit'
import type { Cleanup } from '../cleanup.ts'
import { durabilityOfExchange } from '../durability.ts'
import { onDisk } from '../machine.ts'
import type { Metric } from '../report.ts'
import { benchOrders } from './orders.ts'
import { OPERATOR } from './traders.ts'
import { buildAgain, memoryNow, startMeasured, upMetrics } from './up.ts'

export type ExchangeOptions = {
  root: string
  folder: string
  /** Whether orders are measured, or only the start. */
  orders: boolean
  rounds: number
  seconds: number
  seed: number
  cleanup: Cleanup
  log: (line: string) => void
}

/** `make up` in processes of its own: how long it takes, what it needs, and what it does under load. */
export async function benchExchange(options: ExchangeOptions): Promise<{ up: Metric[]; orders: Metric[] }> {
  const { root, folder, cleanup, log } = options
  const dataDir = join(folder, 'data')
  mkdirSync(dataDir, { mode: 0o711 })
  const buildMs = buildAgain(root)
  const exchange = new ExchangeProcess({ dataDir, processes: 'one', operatorPassword: OPERATOR.password })
  cleanup.add('exchange', () => exchange.stop())
  const first = await startMeasured(exchange)
  log(`up: built in ${Math.round(buildMs)} ms, ready after ${Math.round(first.startMs)} ms more`)
  const common = { ...(await durabilityOfExchange(dataDir)), data_on_disk: onDisk(folder) }
  const orders = options.orders ? await benchOrders({ ...options, exchange, common }) : []
  const afterLoad = options.orders ? await memoryNow(exchange) : undefined
  const code = await exchange.stop()
  if (code !== 0) throw new Error(`the exchange ended with ${code}`)
  const again = await startMeasured(exchange)
  log(`up: with data ready after ${Math.round(again.startMs)} ms`)
  return { up: upMetrics({ buildMs, first, again, afterLoad }, { data_on_disk: onDisk(folder) }), orders }
}
