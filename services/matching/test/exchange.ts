import type { EventLog, LogRecord, StoredRecord } from '@bitka/events'
import { silentLogger } from '@bitka/kernel'
import { repositoryFolder } from '@bitka/service'
import { migrate, openDb, type Queryable } from '@bitka/store'
import { type TestPlatform, testPlatform, waitFor } from '@bitka/testkit'
import { Registry } from 'prom-client'
import { COMMANDS, RESULTS } from '../src/events/topics.ts'
import { matchingMetrics } from '../src/runner/metrics.ts'
import { type Runner, startRunner } from '../src/runner/runner.ts'
import type { Trader } from './command-records.ts'

/** A log with order's right to append commands, and matching runners on it. */
export type Exchange = {
  platform: TestPlatform
  /** Starts one more runner; it is stopped with the exchange unless it was before. */
  run(options?: { snapshotEvery?: number; log?: EventLog }): Runner
  append(partition: number, records: LogRecord[]): Promise<void>
  /** Appends what the traders have said since. */
  send(...traders: Trader[]): Promise<void>
  results(partition?: number): Promise<StoredRecord[]>
  /** Waits until the results of all commands of the traders are there, and checks that they are these and no others. */
  settled(...traders: Trader[]): Promise<void>
  /** The database as superuser: for what nobody may do. */
  admin: Queryable
  stop(): Promise<void>
}

export async function startExchange(): Promise<Exchange> {
  const platform = await testPlatform()
  const { ownerUrl, schema, appRole } = platform.database.of('matching')
  const folder = repositoryFolder('services/matching/migrations')
  await migrate({ ownerUrl, schema, folder, appRole, log: silentLogger })
  const admin = openDb({ url: platform.database.adminUrl, schema: 'event_log', poolSize: 1 })
  const order = platform.eventLog('order')
  const reader = platform.eventLog('matching')
  const runners: Runner[] = []
  const append: Exchange['append'] = async (partition, records) => {
    await order.append(
      COMMANDS,
      records.map((record) => ({ ...record, partition })),
    )
  }
  const results: Exchange['results'] = async (partition = 0) => {
    const found: StoredRecord[] = []
    for (let from = 0n; ; ) {
      const page = await reader.read(RESULTS, partition, from, { maxRecords: 5_000 })
      if (page.records.length === 0) return found
      found.push(...page.records)
      from = page.nextOffset
    }
  }
  return {
    platform,
    admin,
    append,
    results,
    run: ({ snapshotEvery = 10_000, log = platform.eventLog('matching') } = {}) => {
      const metrics = matchingMetrics(new Registry())
      const runner = startRunner({ log, db: platform.db('matching'), logger: silentLogger, snapshotEvery, metrics })
      runners.push(runner)
      return runner
    },
    send: async (...traders) => {
      for (const trader of traders) await append(trader.partition, trader.take())
    },
    settled: async (...traders) => {
      for (const trader of traders) {
        const { symbol, partition } = trader
        const expected = trader.expected()
        await waitFor(async () => ofMarket(await results(partition), symbol).length >= expected.length)
        expect(plain(ofMarket(await results(partition), symbol))).toEqual(plain(expected))
      }
    },
    stop: async () => {
      await Promise.all(runners.map((runner) => runner.stop()))
      await admin.close()
      await platform.stop()
    },
  }
}

const ofMarket = (records: StoredRecord[], symbol: string): StoredRecord[] =>
  records.filter(({ key }) => key === symbol)

/** What of a record a replay has to give again: all but the trace, which is the command's. */
const plain = (records: readonly LogRecord[]) =>
  records.map(({ key, headers: { traceparent: _, ...headers }, value }) => ({
    key,
    headers,
    value: Buffer.from(value).toString('hex'),
  }))

/** Waits until the runner owns the partition, and answers the state hash of a market in it. */
export const hashOf = (runner: Runner, symbol: string): Promise<string> =>
  waitFor(() => runner.markets().length > 0 && runner.market(symbol).market.stateHash(), {
    what: `the market ${symbol}`,
  })

/** Waits until the market stands, and answers why. */
export const stopOf = (runner: Runner, symbol: string): Promise<string> =>
  waitFor(() => runner.markets().length > 0 && runner.market(symbol).market.stoppedReason, {
    what: `a stop of ${symbol}`,
  })
