import type { EventLog } from '@bitka/events'
import type { Clock } from '@bitka/kernel'
import type { Client, ServiceName } from '@bitka/mesh'
import type { MatchResults } from '@bitka/proto/bitka/events/v1/trading_pb'
import { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import type { RunningService, ServiceEnv } from '@bitka/service'
import { type TestPlatform, testPlatform, waitFor } from '@bitka/testkit'
import { startMarketData } from '../src/service.ts'
import { recordOf, Tape, TOPIC } from './tape.ts'

/** A clock that runs from where the test set it. */
class TestClock implements Clock {
  private offsetMs: number
  constructor(nowMs: number) {
    this.offsetMs = nowMs - Date.now()
  }
  now(): Date {
    return new Date(this.nowMs())
  }
  nowMs(): number {
    return Date.now() + this.offsetMs
  }
  set(nowMs: number): void {
    this.offsetMs = nowMs - Date.now()
  }
}

export type TestExchange = {
  platform: TestPlatform
  clock: TestClock
  /** Calls as the gateway. */
  api: Client<typeof MarketDataService>
  as(caller: ServiceName): Promise<Client<typeof MarketDataService>>
  /** Appends as matching does, and waits until the service has applied it. */
  play(...messages: MatchResults[]): Promise<void>
  /** Appends only. */
  append(...messages: MatchResults[]): Promise<void>
  /** A defined market of its own, in memory. */
  list(symbol: string, timeMs?: number): Promise<Tape>
  service(): RunningService
  restart(env?: ServiceEnv): Promise<void>
  stop(): Promise<void>
}

/** The service on real PostgreSQL and over real mTLS, with matching played by the test. */
export async function testExchange(own: ServiceEnv = {}): Promise<TestExchange> {
  const platform = await testPlatform()
  platform.at('auth', 1)
  const clock = new TestClock(Date.UTC(2026, 0, 7, 10, 0, 30))
  const start = (env: ServiceEnv): Promise<RunningService> =>
    startMarketData(platform.env('market-data', env), { clock })
  let running = await start(own)
  const log: EventLog = platform.eventLog('matching')
  const db = platform.db('market-data')
  const as = (caller: ServiceName) =>
    platform.client(MarketDataService, caller, { service: 'market-data', port: running.port })
  const exchange: TestExchange = {
    platform,
    clock,
    api: await as('gateway'),
    as,
    append: async (...messages) => {
      await log.append(TOPIC, messages.map(recordOf))
    },
    play: async (...messages) => {
      await exchange.append(...messages)
      const wanted = new Map(messages.map(({ symbol, results }) => [symbol, results.at(-1)?.number ?? 0n]))
      await waitFor(
        async () => {
          const { rows } = await db.query<{ symbol: string; result_number: bigint }>(
            'select symbol, result_number from positions where symbol = any ($1::text[])',
            [[...wanted.keys()]],
          )
          const done = rows.filter(({ symbol, result_number }) => result_number >= (wanted.get(symbol) ?? 0n))
          return done.length === wanted.size
        },
        { what: 'the results to be applied', intervalMs: 5 },
      )
    },
    list: async (symbol, timeMs) => {
      const tape = new Tape(symbol, timeMs)
      await exchange.play(tape.define())
      await waitFor(async () => exchange.api.getOrderBook({ symbol }), {
        what: `${symbol} to be listed`,
        intervalMs: 5,
      })
      return tape
    },
    service: () => running,
    restart: async (env = own) => {
      await running.stop()
      running = await start(env)
      exchange.api = await as('gateway')
    },
    stop: async () => {
      await running.stop()
      await platform.stop()
    },
  }
  return exchange
}

/** Reads a stream message by message. */
export function reader<T>(open: (signal: AbortSignal) => AsyncIterable<T>) {
  const stop = new AbortController()
  const items = open(stop.signal)[Symbol.asyncIterator]()
  return {
    next: async (): Promise<T> => {
      const { value, done } = await items.next()
      if (done) throw new Error('the stream ended')
      return value
    },
    /** Messages up to the first that is wanted. */
    until: async (wanted: (item: T) => boolean): Promise<T[]> => {
      const all: T[] = []
      for (;;) {
        const { value, done } = await items.next()
        if (done) throw new Error('the stream ended')
        all.push(value)
        if (wanted(value)) return all
      }
    },
    stop: () => stop.abort(),
  }
}
