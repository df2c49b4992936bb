import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { attachStack, type RunningStack } from '@bitka/deploy/native'
import { ExchangeProcess } from '@bitka/testkit'
import type { Cleanup } from '../cleanup.ts'
import { durability, durabilityOfExchange } from '../durability.ts'
import { Desk } from '../exchange/desk.ts'
import { addTraders, OPERATOR } from '../exchange/traders.ts'
import { closedLoop } from '../load/closed-loop.ts'
import { HttpLoad } from '../load/http.ts'
import { CpuMeter, memoryOf, withChildren } from '../processes.ts'
import type { Metric } from '../report.ts'
import { median, round, shown, spread } from '../stats.ts'

const CONNECTIONS = 64
const WARM_UP_MS = 3_000

export type StackOrdersOptions = {
  folder: string
  rounds: number
  seconds: number
  seed: number
  cleanup: Cleanup
  log: (line: string) => void
}

/** One of the two exchanges under the same load. */
type Side = {
  desk: Desk
  cpuOf: Readonly<Record<string, () => number[]>>
  rates: number[]
  latenciesMs: number[]
  cpu: Record<string, number>
}

/** Orders through Envoy on the running stack, and through an embedded exchange beside it, in turn. */
export async function benchStackOrders(options: StackOrdersOptions): Promise<Metric[]> {
  const { rounds, seconds, log } = options
  const stack = attachStack()
  const parts = partsOf(await stack.controls.processes())
  const idle = memory(parts)
  const exchange = await embeddedExchange(options)
  const postgres = await exchange.postgresPid()
  const client = { client: () => [process.pid] }
  const full = await openSide(
    stack.url,
    { identifier: stack.operatorEmail, password: stack.operatorPassword },
    options,
    {
      ...client,
      ...Object.fromEntries(parts.map(({ name, pids }) => [name, pids])),
    },
  )
  const embedded = await openSide(exchange.url, OPERATOR, options, {
    ...client,
    exchange: () => (exchange.pid === undefined ? [] : [exchange.pid]),
    postgres: () => withChildren([postgres]),
  })
  for (const side of [full, embedded]) await closedLoop(CONNECTIONS, WARM_UP_MS, placing(side))
  for (let turn = 1; turn <= rounds; turn += 1) {
    for (const side of [full, embedded]) await measure(side, seconds)
    log(`stack round ${turn} orders: full ${full.rates.at(-1)}/s, embedded ${embedded.rates.at(-1)}/s`)
  }
  for (const { desk } of [full, embedded]) await desk.checkAllThere()
  const loaded = memory(partsOf(await stack.controls.processes()))
  const common = {
    connections: CONNECTIONS,
    rounds,
    round_s: seconds,
    warm_up_s: WARM_UP_MS / 1000,
    seed: options.seed,
    database: await durability(stack.postgres.adminUrl),
    peer_database: await durabilityOfExchange(exchange.options.dataDir),
  }
  return [...orderMetrics(full, embedded, common), ...processMetrics(stack, idle, loaded)]
}

const placing =
  ({ desk }: Side) =>
  async (worker: number): Promise<number> => {
    await desk.placeAnywhere(worker)
    return 1
  }

async function measure(side: Side, seconds: number): Promise<void> {
  const meter = new CpuMeter(side.cpuOf)
  const result = await closedLoop(CONNECTIONS, seconds * 1000, placing(side))
  side.rates.push(round(result.perSecond))
  side.latenciesMs.push(...result.latenciesMs)
  side.cpu = meter.shares()
}

async function openSide(
  url: string,
  operator: typeof OPERATOR,
  { seed, cleanup }: StackOrdersOptions,
  cpuOf: Side['cpuOf'],
): Promise<Side> {
  const traders = await addTraders(url, CONNECTIONS, operator)
  const http = new HttpLoad(url, CONNECTIONS)
  cleanup.add('connections', () => http.close())
  return { desk: new Desk(http, traders, seed), cpuOf, rates: [], latenciesMs: [], cpu: {} }
}

async function embeddedExchange({ folder, cleanup }: StackOrdersOptions): Promise<ExchangeProcess> {
  const dataDir = join(folder, 'embedded')
  mkdirSync(dataDir, { mode: 0o711 })
  const exchange = new ExchangeProcess({ dataDir, processes: 'one', operatorPassword: OPERATOR.password })
  cleanup.add('exchange', () => exchange.stop())
  await exchange.start()
  return exchange
}

function orderMetrics(full: Side, embedded: Side, common: Record<string, unknown>): Metric[] {
  const [ours, peers] = [spread(full.latenciesMs), spread(embedded.latenciesMs)]
  const peer = 'make up: one process, the log in PostgreSQL, no Envoy; beside the idle stack'
  const conditions = {
    what: 'POST /v1/orders, one order a request, closed loop, through Envoy over TLS 1.3; GTC limit orders of both sides at 41 prices, about half of them trade; all were found afterwards',
    mode: 'make stack-up: a process a service, PostgreSQL over TLS, Kafka over mutual TLS, Envoy, all on this machine',
    rates: full.rates,
    peer_rates: embedded.rates,
    ack_ms: shown(ours),
    peer_ack_ms: shown(peers),
    cpu_of_last_round: full.cpu,
    peer_cpu_of_last_round: embedded.cpu,
    repeated_while_busy: full.desk.repeated,
    peer_repeated_while_busy: embedded.desk.repeated,
    ...common,
  }
  const ack = (id: string, of: 'p50' | 'p99'): Metric => ({
    id,
    value: round(ours[of]),
    unit: 'ms',
    better: 'lower',
    peer,
    peer_value: round(peers[of]),
    conditions,
  })
  return [
    {
      id: 'stack.orders_per_s',
      value: median(full.rates),
      unit: 'orders/s',
      better: 'higher',
      peer,
      peer_value: median(embedded.rates),
      conditions,
    },
    ack('stack.orders_ack_p50_ms', 'p50'),
    ack('stack.orders_ack_p99_ms', 'p99'),
  ]
}

function processMetrics(stack: RunningStack, idle: Record<string, number>, loaded: Record<string, number>): Metric[] {
  const sum = (of: Record<string, number>): number => Math.round(Object.values(of).reduce((total, mb) => total + mb, 0))
  return [
    {
      id: 'stack.start_s',
      value: round(stack.startedMs / 1000),
      unit: 's',
      better: 'lower',
      conditions: { what: 'from the first process to a ready exchange behind Envoy, with everything installed' },
    },
    {
      id: 'stack.memory_mb',
      value: sum(idle),
      unit: 'MB',
      better: 'lower',
      conditions: {
        what: 'PSS of each process of the stack, RSS where the kernel does not tell it, before the load and after it',
        before_mb: idle,
        after_mb: loaded,
        after_sum_mb: sum(loaded),
      },
    },
  ]
}

type Part = { name: string; pids: () => number[] }

/** The programs that run, PostgreSQL with all of its processes. */
const partsOf = (processes: readonly { name: string; pid?: number | undefined }[]): Part[] =>
  processes.flatMap(({ name, pid }) =>
    pid === undefined ? [] : [{ name, pids: () => (name === 'postgres' ? withChildren([pid]) : [pid]) }],
  )

const memory = (parts: readonly Part[]): Record<string, number> =>
  Object.fromEntries(parts.map(({ name, pids }) => [name, Math.round(memoryOf(pids()).mb)]))
