import { type ExchangeProcess, waitFor } from '@bitka/testkit'
import type { Cleanup } from '../cleanup.ts'
import { closedLoop } from '../load/closed-loop.ts'
import { HttpLoad } from '../load/http.ts'
import { openLoop } from '../load/open-loop.ts'
import { CpuMeter, withChildren } from '../processes.ts'
import type { Metric } from '../report.ts'
import { median, round, shown, spread } from '../stats.ts'
import { Desk } from './desk.ts'
import { PRICE, QUANTITY, Settlement } from './settlement.ts'
import { addTraders } from './traders.ts'

export type OrdersOptions = {
  exchange: ExchangeProcess
  rounds: number
  seconds: number
  seed: number
  cleanup: Cleanup
  log: (line: string) => void
  /** The settings of the database and of the machine, for the conditions. */
  common: Record<string, unknown>
}

const CONNECTIONS = 64
const WARM_UP_MS = 3_000
/** Orders at rest before settlement is measured, so that every buy meets one. */
const CUSHION = 64
const SETTLE_TIMEOUT_MS = 30_000

/** Orders through the whole exchange over its public REST API. */
export async function benchOrders(options: OrdersOptions): Promise<Metric[]> {
  const { exchange, cleanup, log } = options
  const traders = await addTraders(exchange.url, CONNECTIONS)
  log(`orders: ${traders.length} traders with funds`)
  const http = new HttpLoad(exchange.url, CONNECTIONS)
  cleanup.add('connections', () => http.close())
  const desk = new Desk(http, traders, options.seed)
  const single = await measureRate(desk, options)
  const half = median(single.rates) / 2
  const ack = await measureAcknowledgement(desk, half, options)
  await desk.checkAllThere()
  const settled = await measureSettlement(desk, half, options)
  const common = {
    mode: 'make up: one process for all services, mTLS between them, PostgreSQL beside it; REST on loopback, TLS only inside',
    connections: CONNECTIONS,
    users: CONNECTIONS,
    repeated_while_busy: desk.repeated,
    seed: options.seed,
    ...options.common,
  }
  return [
    {
      id: 'orders.single',
      value: round(median(single.rates)),
      unit: 'orders/s',
      better: 'higher',
      conditions: {
        what: 'POST /v1/orders, one order a request, closed loop; GTC limit orders of both sides at the same 41 prices of one market, about half of them trade; every answer was 201 accepted: durable; all were found afterwards',
        market: 'BTC-THB',
        rounds: options.rounds,
        round_s: options.seconds,
        warm_up_s: WARM_UP_MS / 1000,
        rates: single.rates,
        ack_ms: shown(spread(single.latenciesMs)),
        cpu_of_last_round: single.cpu,
        ...common,
      },
    },
    {
      id: 'orders.ack_p99_ms',
      value: round(ack.spread.p99),
      unit: 'ms',
      better: 'lower',
      conditions: {
        what: 'from the moment a request was due to its answer; open loop, so waiting for a late start counts',
        market: 'BTC-THB',
        orders_per_s: round(half),
        seconds: ack.seconds,
        ack_ms: shown(ack.spread),
        ...common,
      },
    },
    {
      id: 'orders.settled_p99_ms',
      value: round(settled.spread.p99),
      unit: 'ms',
      better: 'lower',
      conditions: {
        what: 'from the moment a crossing buy was due (its POST) until the balances channel of the WebSocket showed its buyer the money gone; sells and buys in turn, open loop',
        market: 'ETH-THB',
        orders_per_s: round(half),
        seconds: settled.seconds,
        settled_ms: shown(settled.spread),
        ...common,
      },
    },
  ]
}

async function measureRate(desk: Desk, { exchange, rounds, seconds, log }: OrdersOptions) {
  const postgres = await exchange.postgresPid()
  const parts = {
    exchange: () => (exchange.pid === undefined ? [] : [exchange.pid]),
    postgres: () => withChildren([postgres]),
    client: () => [process.pid],
  }
  const place = async (worker: number): Promise<number> => {
    await desk.placeAnywhere(worker)
    return 1
  }
  await closedLoop(CONNECTIONS, WARM_UP_MS, place)
  const rates: number[] = []
  const latenciesMs: number[] = []
  let cpu: Record<string, number> = {}
  for (let turn = 1; turn <= rounds; turn += 1) {
    const meter = new CpuMeter(parts)
    const result = await closedLoop(CONNECTIONS, seconds * 1000, place)
    rates.push(round(result.perSecond))
    latenciesMs.push(...result.latenciesMs)
    cpu = meter.shares()
    log(`orders round ${turn} single: ${round(result.perSecond)} orders/s`)
  }
  return { rates, latenciesMs, cpu }
}

async function measureAcknowledgement(desk: Desk, perSecond: number, { rounds, seconds, log }: OrdersOptions) {
  const latenciesMs: number[] = []
  await openLoop(perSecond, rounds * seconds * 1000, async (index, dueMs) => {
    await desk.placeAnywhere(index)
    latenciesMs.push(performance.now() - dueMs)
  })
  const result = spread(latenciesMs)
  log(`orders acknowledged at ${round(perSecond)}/s: p50 ${round(result.p50)} ms, p99 ${round(result.p99)} ms`)
  return { spread: result, seconds: rounds * seconds }
}

/** Even traders sell, odd ones buy. */
async function measureSettlement(desk: Desk, perSecond: number, options: OrdersOptions) {
  const { rounds, seconds, cleanup, log } = options
  const order = { symbol: 'ETH-THB', price: PRICE, quantity: QUANTITY }
  const watchers = new Map<number, Settlement>()
  for (const [index, trader] of desk.traders.entries()) {
    if (index % 2 === 0) continue
    const watcher = new Settlement(trader)
    cleanup.add('stream', () => watcher.close())
    await watcher.ready()
    watchers.set(index, watcher)
  }
  const all = [...watchers.values()]
  await waitFor(() => all.every(({ isSettled }) => isSettled), { what: 'the first balances' })
  await Promise.all(Array.from({ length: CUSHION }, (_, index) => desk.place(2 * index, { ...order, side: 'sell' })))
  await openLoop(perSecond, rounds * seconds * 1000, async (index, dueMs) => {
    const side = index % 2 === 0 ? 'sell' : 'buy'
    watchers.get(index % desk.traders.length)?.expect(dueMs)
    await desk.place(index, { ...order, side })
  })
  await waitFor(() => all.every(({ isSettled }) => isSettled), {
    timeoutMs: SETTLE_TIMEOUT_MS,
    what: 'every buy to be settled',
  })
  const result = spread(all.flatMap(({ latenciesMs }) => latenciesMs))
  log(`orders settled at ${round(perSecond)}/s: p50 ${round(result.p50)} ms, p99 ${round(result.p99)} ms`)
  return { spread: result, seconds: rounds * seconds }
}
