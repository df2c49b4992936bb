import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { ExchangeProcess } from '@bitka/testkit'
import { type Memory, memoryOf, withChildren } from '../processes.ts'
import type { Metric } from '../report.ts'
import { round } from '../stats.ts'

/** How long after "ready" the memory is read: what starting needed for a moment has been given back by then. */
const REST_MS = 3_000

const seconds = (ms: number): number => round(ms / 1000)

/** What `make up` does before it starts the exchange, on a tree where everything is installed. */
export function buildAgain(root: string): number {
  const startedMs = performance.now()
  for (const script of ['generate.mjs', 'build.mjs']) {
    execFileSync(process.execPath, [join(root, 'scripts', script)], { cwd: root, stdio: 'ignore' })
  }
  return performance.now() - startedMs
}

/** Starts it and says how long it took, and how much memory it and all that it started take. */
export async function startMeasured(exchange: ExchangeProcess): Promise<{ startMs: number; memory: Memory }> {
  const startedMs = performance.now()
  await exchange.start()
  const startMs = performance.now() - startedMs
  await pause(REST_MS)
  return { startMs, memory: await memoryNow(exchange) }
}

export async function memoryNow(exchange: ExchangeProcess): Promise<Memory> {
  if (exchange.pid === undefined) throw new Error('the exchange does not run')
  return memoryOf(withChildren([exchange.pid, await exchange.postgresPid()]))
}

export type UpFigures = {
  buildMs: number
  first: { startMs: number; memory: Memory }
  again: { startMs: number; memory: Memory }
  afterLoad: Memory | undefined
}

export function upMetrics({ buildMs, first, again, afterLoad }: UpFigures, common: Record<string, unknown>): Metric[] {
  const mode = 'one process for all services, PostgreSQL beside it'
  return [
    {
      id: 'up.ready_s',
      value: seconds(buildMs + first.startMs),
      unit: 's',
      better: 'lower',
      conditions: {
        what: 'make up on an installed tree with no data yet: contracts and programs built, database made, migrations, every dependency ready',
        mode,
        build_s: seconds(buildMs),
        first_start_s: seconds(first.startMs),
        start_with_data_s: seconds(again.startMs),
        ...common,
      },
    },
    {
      id: 'up.rss_mb',
      value: Math.round(first.memory.mb),
      unit: 'MB',
      better: 'lower',
      conditions: {
        what: `${first.memory.kind} of the exchange and of everything that it started, ${REST_MS / 1000} s after it was ready`,
        mode,
        processes: first.memory.processes,
        after_start_with_data_mb: Math.round(again.memory.mb),
        ...(afterLoad && { after_load_mb: Math.round(afterLoad.mb) }),
        ...common,
      },
    },
  ]
}
