import { CandleInterval, type OrderBook } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { waitFor } from '@bitka/testkit'
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt'
import { type TestExchange, testExchange } from './exchange.ts'
import { type LevelWord, Tape } from './tape.ts'

let exchange: TestExchange
const at = Date.UTC(2026, 0, 7, 10, 0, 0)

beforeAll(async () => {
  exchange = await testExchange()
})
afterAll(() => exchange.stop())

const bookIs = async (symbol: string, seq: bigint): Promise<OrderBook> =>
  waitFor(async () => {
    const { book } = await exchange.api.getOrderBook({ symbol, depth: 1000 })
    return book?.seq === seq && book
  })

test('a result that comes again has its effect once', async () => {
  const tape = await exchange.list('AAA-THB', at)
  const [first, second] = [
    tape.trade([[100, 5, 'buy']], ['ask', 100, 1]),
    tape.trade([[101, 5, 'buy']], ['ask', 100, 0]),
  ]
  await exchange.play(first, first, second)
  await exchange.play(first, second, tape.trade([[102, 5, 'buy']], ['ask', 102, 1]))
  const { items } = await exchange.api.listTicks({ symbol: 'AAA-THB' })
  expect(items.map(({ tradeId }) => tradeId)).toEqual(['AAA-THB-3', 'AAA-THB-2', 'AAA-THB-1'])
  const candles = await exchange.api.listCandles({ symbol: 'AAA-THB', interval: CandleInterval.ONE_DAY })
  expect(candles.items).toMatchObject([{ open: '5', high: '5.1', low: '5', close: '5.1', volume: '0.015' }])
  expect(await bookIs('AAA-THB', 3n)).toMatchObject({ bids: [], asks: [{ price: '5.10', quantity: '0.001' }] })
})

test('what was applied is there after a restart, and the next results go on from it', async () => {
  const tape = await exchange.list('BBB-THB', at)
  await exchange.play(
    tape.trade([[100, 5, 'buy']], ['bid', 99, 7], ['ask', 101, 3]),
    tape.later(1).trade([[101, 3, 'buy']], ['ask', 101, 0], ['ask', 102, 4]),
  )
  const before = await bookIs('BBB-THB', 2n)
  await exchange.append(tape.later(1).book(['bid', 99, 8]))
  await exchange.restart()
  expect(await bookIs('BBB-THB', 3n)).toMatchObject({
    bids: [{ price: '4.95', quantity: '0.008' }],
    asks: before.asks,
  })
  await exchange.play(tape.later(1).trade([[102, 4, 'buy']], ['ask', 102, 0]))
  expect(await bookIs('BBB-THB', 4n)).toMatchObject({ asks: [] })
  const { items } = await exchange.api.listTicks({ symbol: 'BBB-THB' })
  expect(items.map(({ tradeId }) => tradeId)).toEqual(['BBB-THB-3', 'BBB-THB-2', 'BBB-THB-1'])
})

/** Bids below, asks above, some levels removed again; the same on every run. */
function* walk(count: number): Generator<LevelWord[]> {
  let state = 42
  const random = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((state / 2_147_483_648) * below)
  }
  for (let step = 0; step < count; step += 1) {
    yield Array.from({ length: 1 + random(3) }, (): LevelWord => {
      const isBid = random(2) === 0
      return [isBid ? 'bid' : 'ask', isBid ? 1 + random(40) : 50 + random(40), random(3) === 0 ? 0 : 1 + random(9)]
    })
  }
}

type Sides = { bids: Map<string, string>; asks: Map<string, string> }
const sidesOf = ({ bids, asks }: Pick<OrderBook, 'bids' | 'asks'>): Sides => ({
  bids: new Map(bids.map(({ price, quantity }) => [price, quantity])),
  asks: new Map(asks.map(({ price, quantity }) => [price, quantity])),
})
const sorted = ({ bids, asks }: Sides) => [[...bids].sort(), [...asks].sort()]

test('any snapshot and the updates after it give the next snapshot, wherever a reader begins', async () => {
  const symbol = 'CCC-THB'
  const tape = await exchange.list(symbol, at)
  const messages = [...walk(1_400)].map((levels) => tape.later(tape.bookSeq % 3n === 0n ? 2 : 0).book(...levels))
  await exchange.play(...messages)
  const final = await bookIs(symbol, 1_400n)
  const endMs = tape.timeMs + 1
  let later = 0
  for (const [startMs, limit] of [
    [at, 1000],
    [at, 37],
    [at + 333, 1000],
    [at + 600, 700],
    [tape.timeMs, 10],
  ] as const) {
    const history = await exchange.api.getOrderBookHistory({
      symbol,
      start: timestampFromMs(startMs),
      end: timestampFromMs(endMs),
      limit,
    })
    const [first, ...rest] = history.snapshots
    later += rest.length
    expect(timestampMs(first!.timestamp!)).toBeLessThanOrEqual(startMs)
    expect(history.updates.length).toBeLessThanOrEqual(limit)
    const sides = sidesOf(first!)
    let { seq } = first!
    const snapshots = new Map(rest.map((snapshot) => [snapshot.seq, snapshot]))
    for (const update of history.updates) {
      expect(update.seq).toBe(seq + 1n)
      expect(timestampMs(update.timestamp!)).toBeGreaterThan(startMs)
      seq = update.seq
      for (const { side, price, quantity } of update.changes) {
        const levels = side === 1 ? sides.bids : sides.asks
        if (Number(quantity) === 0) levels.delete(price)
        else levels.set(price, quantity)
      }
      const snapshot = snapshots.get(seq)
      if (snapshot) expect(sorted(sides)).toEqual(sorted(sidesOf(snapshot)))
      snapshots.delete(seq)
    }
    expect(snapshots.size).toBe(0)
    if (seq === 1_400n) expect(sorted(sides)).toEqual(sorted(sidesOf(final)))
  }
  expect(later).toBeGreaterThan(2)
  await exchange.restart()
  expect(await bookIs(symbol, 1_400n)).toEqual(final)
})

test('results that another process of the service applied show here too', async () => {
  const tape = await exchange.list('DDD-THB', at)
  await exchange.play(tape.trade([[100, 5, 'buy']], ['ask', 101, 3]))
  await bookIs('DDD-THB', 1n)
  const { startMarketData } = await import('../src/service.ts')
  const second = await startMarketData(exchange.platform.env('market-data'), { clock: exchange.clock })
  const { MarketDataService } = await import('@bitka/proto/bitka/market_data/v1/market_data_pb')
  const other = await exchange.platform.client(MarketDataService, 'gateway', {
    service: 'market-data',
    port: second.port,
  })
  try {
    const stop = new AbortController()
    const seqs: bigint[] = []
    const following = (async () => {
      for await (const { body } of other.streamBook({ symbol: 'DDD-THB' }, { signal: stop.signal })) {
        seqs.push(body.value?.seq ?? -1n)
        if (seqs.at(-1) === 4n) return
      }
    })()
    await waitFor(() => seqs.length === 1)
    for (const lots of [5, 6, 7]) await exchange.play(tape.later(1).trade([[100, 1, 'buy']], ['ask', 101, lots]))
    await following
    expect(seqs).toEqual([1n, 2n, 3n, 4n])
    const { book } = await other.getOrderBook({ symbol: 'DDD-THB' })
    expect(book).toEqual(await bookIs('DDD-THB', 4n))
    stop.abort()
  } finally {
    await second.stop()
  }
})

// The last one: it leaves the partition stopped.
test('a gap stops, and readiness says so', async () => {
  const tape = await exchange.list('EEE-THB', at)
  await exchange.play(tape.book(['bid', 1, 1]))
  await exchange.append(tape.tear().book(['bid', 1, 2]), new Tape('FFF-THB', at).define())
  const stopped = await waitFor(async () => {
    const { ready, dependencies } = await exchange.service().health()
    return !ready && dependencies.find(({ ok }) => !ok)
  })
  expect(stopped).toMatchObject({ name: 'consumer market-data.results' })
  expect(stopped.detail).toContain('ResultGap: results of EEE-THB jump from 2 to 4')
  expect((await bookIs('EEE-THB', 1n)).bids).toMatchObject([{ quantity: '0.001' }])
  await expect(exchange.api.getOrderBook({ symbol: 'FFF-THB' })).rejects.toMatchObject({ kind: 'not_found' })
})
