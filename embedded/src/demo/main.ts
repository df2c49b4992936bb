import { setMaxListeners } from 'node:events'
import type { BitkaClient } from '@bitka/client'
import { readPeopleConfig } from '../people/config.ts'
import { People } from '../people/people.ts'
import { plainMessage } from '../people/plain.ts'
import { type Cast, gatherCast } from './cast.ts'
import { Market } from './market.ts'
import { marketPlans } from './plans.ts'
import { repeat } from './polite.ts'
import { seededRandom } from './random.ts'
import { DemoStats, type Spread } from './stats.ts'
import { DriftingPrice } from './strategy.ts'
import { cancelEverything, type Floor, refreshQuotes, takeOnce } from './traders.ts'

const STATUS_MS = 4_000
/** Cancelling at the end may not take longer; whoever is in a hurry presses Ctrl-C again. */
const GOODBYE_MS = 15_000

const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** `make demo`: market makers and takers over the public API, until Ctrl-C. */
async function main(): Promise<void> {
  const controller = new AbortController()
  const { signal } = controller
  // Every program waits on it.
  setMaxListeners(0, signal)
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (signal.aborted) process.exit(0)
      controller.abort()
    })
  }
  const people = new People(readPeopleConfig(process.env))
  const cast = await gatherCast(people, say)
  const stats = new DemoStats(Date.now())
  const floors = await openFloors(people.anonymous(), stats)
  say(`Trading ${floors.map(({ market }) => market.symbol).join(', ')}. Ctrl-C stops.`)
  await Promise.all([...programs(cast, floors, stats, signal), report(people.anonymous(), floors, stats, signal)])
  say('Cancelling what is left …')
  const all = Promise.all([...cast.makers, ...cast.takers].map(cancelEverything))
  const counts = await Promise.race([all, new Promise<number[]>((resolve) => setTimeout(resolve, GOODBYE_MS, []))])
  say(`Cancelled ${counts.reduce((sum, count) => sum + count, 0)} orders.`)
}

/** Each maker trades in each market, each taker too. */
const programs = (cast: Cast, floors: readonly Floor[], stats: DemoStats, signal: AbortSignal): Promise<void>[] =>
  floors.flatMap((floor) => [
    ...cast.makers.map((client) => repeat(() => refreshQuotes(client, floor), stats, signal)),
    ...cast.takers.map((client) => repeat(() => takeOnce(client, floor), stats, signal)),
  ])

async function openFloors({ marketData }: BitkaClient, stats: DemoStats): Promise<Floor[]> {
  const { items } = await marketData.symbols({ active: true, per_page: 200 })
  return marketPlans.flatMap((plan, index) => {
    const symbol = items.find((item) => item.symbol === plan.symbol)
    if (!symbol) return []
    const market = new Market(symbol)
    // A demo is to look the same each time, so the walk has a fixed seed.
    const random = seededRandom(index + 1)
    return [
      {
        market,
        fair: new DriftingPrice(market.ticksOf(plan.home), random),
        quoteLots: market.lotsOf(plan.quote),
        takeLots: market.lotsOf(plan.take),
        halfSpread: plan.halfSpread,
        stats,
        random,
      },
    ]
  })
}

function report(
  { marketData }: BitkaClient,
  floors: readonly Floor[],
  stats: DemoStats,
  signal: AbortSignal,
): Promise<void> {
  let first = true
  return repeat(
    async () => {
      if (!first) {
        const spreads = floors.map(async ({ market: { symbol } }): Promise<Spread> => {
          const { bids, asks } = await marketData.orderBook(symbol, { depth: 1 })
          return { symbol, bid: bids[0]?.price, ask: asks[0]?.price }
        })
        say(stats.line(await Promise.all(spreads), Date.now()))
      }
      first = false
      return STATUS_MS
    },
    stats,
    signal,
  )
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${plainMessage(error) ?? (error instanceof Error ? error.stack : String(error))}\n`)
    process.exit(1)
  },
)
