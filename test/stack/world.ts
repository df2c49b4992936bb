import { attachStack, type RunningStack } from '@bitka/deploy/native'
import { openKafkaLog } from '@bitka/events'
import { silentLogger } from '@bitka/kernel'
import { WorkloadIdentity } from '@bitka/mesh'
import { brokerCheck } from '@bitka/service'
import { databaseUrl, openDb } from '@bitka/store'
import { bookOfOpenOrders, brokenInvariants, LoadClient, waitFor } from '@bitka/testkit'

export const symbol = 'BTC-THB'

/** The services whose consumers must have caught up when nothing is under way, with their metrics ports. */
const consumers = {
  ledger: 9030,
  order: 9040,
  'market-data': 9060,
  notification: 9070,
  audit: 9080,
  user: 9020,
} as const

/** Only a machine that is very busy needs so long for an answer; a stack that is away refuses at once. */
const READINESS_TIMEOUT_MS = 15_000

/** The running stack, people who trade on it, and every promise that must hold afterwards. */
export class StackWorld {
  readonly stack: RunningStack = attachStack()
  readonly load: LoadClient
  readonly databaseUrl: string

  /** @param timeoutMs how long people wait for an answer; see LoadOptions */
  constructor(
    readonly seed: number,
    timeoutMs?: number,
  ) {
    const { url, operatorEmail: email, operatorPassword: password, postgres } = this.stack
    this.load = new LoadClient({ url, seed, users: 4, symbol, operator: { email, password }, thinkMs: 50, timeoutMs })
    this.databaseUrl = databaseUrl(postgres.adminUrl, { database: 'bitka' })
  }

  /** What /readyz says, through Envoy. */
  async readiness(): Promise<number> {
    try {
      const response = await fetch(`${this.stack.url}/readyz`, { signal: AbortSignal.timeout(READINESS_TIMEOUT_MS) })
      await response.arrayBuffer()
      return response.status
    } catch {
      return 0
    }
  }

  async ready(timeoutMs = 180_000): Promise<void> {
    await waitFor(async () => (await this.readiness()) === 200, {
      timeoutMs,
      intervalMs: 100,
      what: 'the stack to be ready',
    })
  }

  /** Runs something while readiness is watched; answers every status that was seen. */
  async watching(run: () => Promise<void>): Promise<Set<number>> {
    const seen = new Set<number>()
    let done = false
    const watch = (async () => {
      while (!done) {
        seen.add(await this.readiness())
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    })()
    try {
      await run()
    } finally {
      done = true
      await watch
    }
    return seen
  }

  /** Everything under way has come to its end, nothing acknowledged is lost or doubled, and every promise holds. */
  async checkEverything(): Promise<void> {
    await this.ready()
    await waitFor(
      async () => {
        const broken = await brokenInvariants(this.databaseUrl, { log: 'kafka' })
        if (broken.length > 0)
          throw new Error(JSON.stringify(broken, (_, value) => (typeof value === 'bigint' ? String(value) : value)))
        return true
      },
      { timeoutMs: 120_000, intervalMs: 500, what: 'the invariants to hold' },
    )
    await waitFor(async () => (await this.lag()) === 0, {
      timeoutMs: 120_000,
      intervalMs: 250,
      what: 'lag to return to zero',
    })
    await waitFor(async () => expect(await this.publicBook()).toEqual(await this.expectedBook()) ?? true, {
      timeoutMs: 120_000,
      intervalMs: 200,
      what: 'the book to equal the open orders',
    })
    expect(await this.load.differences()).toEqual([])
  }

  /** Records that consumers have still to apply, of all services. */
  async lag(): Promise<number> {
    let lag = 0
    for (const port of Object.values(consumers)) {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
      for (const [, records] of text.matchAll(/^bitka_consumer_lag_records\{[^}]*\} (\d+)/gm)) lag += Number(records)
    }
    return lag
  }

  /** Every command and every result is in the log, none twice. What matching has still to write is waited for. */
  async expectWholeLog(): Promise<void> {
    await waitFor(async () => expect(await this.logGaps()).toEqual([]) ?? true, {
      timeoutMs: 120_000,
      intervalMs: 1_000,
      what: 'every command and every result to be in the log',
    })
  }

  /**
   * The numbers of commands and of results of each market as they stand in Kafka, read as matching: none twice, none missing.
   */
  private async logGaps(): Promise<string[]> {
    const { identityDir, kafka, trustDomain } = this.stack
    const identity = WorkloadIdentity.connect({
      socketPath: `${identityDir}/sockets/matching.sock`,
      log: silentLogger,
    })
    await identity.ready()
    const log = openKafkaLog({
      brokers: kafka.brokers.split(','),
      service: 'matching',
      logger: silentLogger,
      tls: () => {
        const { privateKeyPem: key, certificatePem: cert, bundlePem: ca } = identity.current()
        return { key, cert, ca, checkServerIdentity: brokerCheck(trustDomain) }
      },
    })
    try {
      const gaps: string[] = []
      const expected = await this.commandCounts()
      for (const topic of ['trading.orders.commands', 'trading.matches.executed']) {
        const seen = new Map<string, number[]>()
        const ends = await log.latestOffsets(topic)
        for (const [partition, end] of ends.entries()) {
          for (let from = 0n; from < end; ) {
            const { records, nextOffset } = await log.read(topic, partition, from, { maxRecords: 2_000 })
            for (const { key, headers } of records) {
              const numbers = seen.get(key) ?? []
              seen.set(key, numbers)
              numbers.push(Number(headers.command_seq))
            }
            from = nextOffset
          }
        }
        for (const [market, count] of expected) {
          const numbers = seen.get(market) ?? []
          const distinct = new Set(numbers)
          if (distinct.size !== count) gaps.push(`${topic} ${market}: ${distinct.size} of ${count}`)
          // A command may be in the log twice after a crash, and is applied once; a result is there once.
          if (topic === 'trading.matches.executed' && numbers.length !== count)
            gaps.push(`${topic} ${market}: ${numbers.length} results of ${count} commands`)
        }
      }
      return gaps
    } finally {
      await log.close()
      identity.close()
    }
  }

  private async commandCounts(): Promise<Map<string, number>> {
    const db = openDb({ url: this.databaseUrl, schema: 'order', poolSize: 1 })
    try {
      const { rows } = await db.query<{ symbol: string; next: string }>(
        'select symbol, next_command_seq::text as next from markets',
      )
      return new Map(rows.map(({ symbol: market, next }) => [market, Number(next) - 1]))
    } finally {
      await db.close()
    }
  }

  private async publicBook(): Promise<Record<string, string>> {
    const response = await fetch(`${this.stack.url}/v1/marketdata/orderbook/${symbol}?depth=1000`)
    const { data } = (await response.json()) as { data: Record<'bids' | 'asks', { price: string; quantity: string }[]> }
    const levels = (side: string, items: { price: string; quantity: string }[]) =>
      items.map(({ price, quantity }) => [`${side} ${price}`, quantity])
    return Object.fromEntries([...levels('bid', data.bids), ...levels('ask', data.asks)])
  }

  /** The seed market's tick is 0.01 and its lot 0.000001. */
  private async expectedBook(): Promise<Record<string, string>> {
    const book: Record<string, string> = {}
    for (const [level, lots] of await bookOfOpenOrders(this.databaseUrl)) {
      const [market, side, ticks = ''] = level.split(' ')
      if (market !== symbol) continue
      const fixed = (units: bigint, decimals: number): string => {
        const digits = String(units).padStart(decimals + 1, '0')
        return `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`
      }
      book[`${side} ${fixed(BigInt(ticks), 2)}`] = fixed(lots, 6)
    }
    return book
  }
}
