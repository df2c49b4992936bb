import { execFileSync } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { repositoryFolder } from '@bitka/service'
import {
  bookOfOpenOrders,
  brokenInvariants,
  ExchangeProcess,
  LoadClient,
  seeded,
  tempDir,
  waitFor,
} from '@bitka/testkit'

const seed = Number(process.env.BITKA_SEED ?? Date.now() % 1_000_000)
const rounds = Number(process.env.BITKA_CRASH_ROUNDS ?? 20)
const symbol = 'BTC-THB'
const operatorPassword = 'an operator of the crash test'

/** Killed in turn; PostgreSQL twice as often as any other. */
const targets = [
  'order',
  'ledger',
  'matching',
  'postgres',
  'gateway',
  'market-data',
  'auth',
  'order',
  'user',
  'postgres',
  'notification',
  'audit',
]

/** Every commit and append on an order's way. */
const crashPoints = [
  'order/order.create.pending',
  'order/order.create.held',
  'order/order.create.submitted',
  'order/order.cancel.committed',
  'order/order.results.committed',
  'order/relay.after-append',
  'order/relay.after-mark',
  'order.results/consumer.before-commit',
  'order.results/consumer.after-commit',
  'ledger/ledger.hold.committed',
  'ledger/ledger.batch.committed',
  'ledger/ledger.settlement.committed',
  'ledger/relay.after-append',
  'ledger.settlement/consumer.before-commit',
  'ledger.settlement/consumer.after-commit',
  'matching/matching.applied',
  'matching/matching.appended',
  'matching/matching.snapshot.before',
  'matching/matching.snapshot.after',
  'matching/log.after-fenced-append',
  'market-data.results/consumer.before-commit',
  'market-data.results/consumer.after-commit',
]

let dataDir: string
let exchange: ExchangeProcess
let load: LoadClient

beforeAll(async () => {
  console.log(`crash test: seed ${seed}, ${rounds} rounds (BITKA_SEED, BITKA_CRASH_ROUNDS)`)
  const root = join(repositoryFolder('scripts'), '..')
  execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: root, stdio: 'ignore' })
  dataDir = join(await tempDir(), 'data')
  await mkdir(dataDir)
  exchange = new ExchangeProcess({
    dataDir,
    processes: 'each',
    operatorPassword,
    // Small enough that snapshots are taken during the test.
    env: { BITKA_LOG_LEVEL: 'warn', BITKA_MATCHING_SNAPSHOT_EVERY: '40' },
  })
  await exchange.start()
  load = new LoadClient({
    url: exchange.url,
    seed,
    users: 4,
    symbol,
    operator: { email: 'operator@bitka.local', password: operatorPassword },
  })
  await load.setUp()
}, 180_000)

afterAll(async () => {
  await exchange?.stop()
})

const adminUrl = async (): Promise<string> => {
  const folder = join(dataDir, 'postgres')
  const port = (await readFile(join(folder, 'data.port'), 'utf8')).trim()
  const password = (await readFile(join(folder, 'data.password'), 'utf8')).trim()
  return `postgres://postgres:${password}@127.0.0.1:${port}/bitka`
}

/** Everything that was under way has come to its end, and every promise holds. */
async function checkEverything(): Promise<void> {
  await exchange.ready()
  const url = await adminUrl()
  await waitFor(
    async () => {
      const broken = await brokenInvariants(url)
      if (broken.length > 0)
        throw new Error(JSON.stringify(broken, (_, value) => (typeof value === 'bigint' ? String(value) : value)))
      return true
    },
    { timeoutMs: 60_000, intervalMs: 500, what: 'the invariants to hold' },
  )
  await waitFor(async () => expect(await publicBook()).toEqual(await expectedBook(url)) ?? true, {
    timeoutMs: 30_000,
    intervalMs: 200,
    what: 'the book to equal the open orders',
  })
}

type Level = { price: string; quantity: string }

async function publicBook(): Promise<Record<string, string>> {
  const response = await fetch(`${exchange.url}/v1/marketdata/orderbook/${symbol}?depth=1000`)
  const { data } = (await response.json()) as { data: { bids: Level[]; asks: Level[] } }
  const levels = (side: string, items: Level[]) => items.map(({ price, quantity }) => [`${side} ${price}`, quantity])
  return Object.fromEntries([...levels('bid', data.bids), ...levels('ask', data.asks)])
}

/** The seed market's tick is 0.01 and its lot 0.000001. */
async function expectedBook(url: string): Promise<Record<string, string>> {
  const book: Record<string, string> = {}
  for (const [level, lots] of await bookOfOpenOrders(url)) {
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

test(`money survives ${rounds} random kills`, async () => {
  const random = seeded(seed)
  load.start()
  for (let round = 0; round < rounds; round += 1) {
    const target = targets[round % targets.length] ?? 'order'
    // Work in flight, for a time that nobody chose.
    await pause(100 + random.int(700))
    await exchange.kill(target)
    // Every other round the next kill comes before everything has recovered.
    if (round % 2 === 1) await exchange.ready()
  }
  await exchange.ready()
  // However slow the machine is, there is something to be lost.
  await waitFor(() => load.acknowledged.size > 50, {
    timeoutMs: 120_000,
    what: 'orders and transfers to be acknowledged',
  })
  await load.stop()
  console.log(`crash test, random kills: ${JSON.stringify(load.counts)}, ${load.acknowledged.size} acknowledged`)
  await checkEverything()
  expect(await load.differences()).toEqual([])
}, 600_000)

test.each(crashPoints)(
  'money survives a death at %s',
  async (point) => {
    load.start()
    await exchange.armCrashPoint(point)
    await waitFor(() => exchange.crashPointHit(point), { timeoutMs: 60_000, what: `a process to die at ${point}` })
    await exchange.ready()
    await load.stop()
    await checkEverything()
  },
  180_000,
)

test('the exchange comes back whole after everything was killed at once', async () => {
  load.start()
  await pause(300)
  await exchange.kill('postgres')
  await exchange.killAll()
  await exchange.start()
  await load.stop()
  await checkEverything()
  expect(await load.differences()).toEqual([])
}, 240_000)

test('SIGTERM ends it well: exit code 0, and nothing is left running', async () => {
  expect(await exchange.stop()).toBe(0)
  const left = execFileSync('ps', ['-eo', 'args'])
    .toString()
    .split('\n')
    .filter((line) => line.includes(dataDir))
  expect(left).toEqual([])
})
