import { CandleInterval, TickerSchema } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { waitFor } from '@bitka/testkit'
import { create } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { reader, type TestExchange, testExchange } from './exchange.ts'
import type { LevelWord } from './tape.ts'

let exchange: TestExchange
const at = Date.UTC(2026, 0, 7, 10, 0, 0)
const QUEUE = 64

beforeAll(async () => {
  exchange = await testExchange({ BITKA_MARKET_DATA_STREAM_QUEUE: String(QUEUE) })
})
beforeEach(() => exchange.clock.set(at + 30_000))
afterAll(() => exchange.stop())

const bookStream = (symbol: string) => reader((signal) => exchange.api.streamBook({ symbol }, { signal }))

test('a book: a snapshot, then every change, for every reader', async () => {
  const tape = await exchange.list('AAA-THB', at)
  await exchange.play(tape.book(['bid', 100, 1]))
  const early = bookStream('AAA-THB')
  const snapshot = {
    symbol: 'AAA-THB',
    seq: 1n,
    bids: [{ price: '5.00', quantity: '0.001' }],
    asks: [],
    timestamp: timestampFromMs(at),
  }
  expect((await early.next()).body).toMatchObject({ case: 'snapshot', value: snapshot })
  await exchange.play(tape.later(1).book(['bid', 100, 0], ['ask', 101, 2]), tape.later(1).book(['ask', 101, 3]))
  const late = bookStream('AAA-THB')
  expect((await early.next()).body).toMatchObject({
    case: 'update',
    value: {
      symbol: 'AAA-THB',
      seq: 2n,
      changes: [
        { side: 1, price: '5.00', quantity: '0.000' },
        { side: 2, price: '5.05', quantity: '0.002' },
      ],
      timestamp: timestampFromMs(at + 1),
    },
  })
  expect((await early.next()).body.value).toMatchObject({ seq: 3n })
  const joined = (await late.next()).body
  expect(joined).toMatchObject({ case: 'snapshot', value: { seq: 3n, asks: [{ quantity: '0.003' }] } })
  await exchange.play(tape.later(1).book(['ask', 101, 4]))
  for (const stream of [early, late]) expect((await stream.next()).body).toMatchObject({ value: { seq: 4n } })
  early.stop()
  await exchange.play(tape.later(1).book(['ask', 101, 5]))
  expect((await late.next()).body.value).toMatchObject({ seq: 5n })
  late.stop()
})

test('a reader that does not read is ended, and the others are not', async () => {
  const tape = await exchange.list('BBB-THB', at)
  const [slow, fast] = [bookStream('BBB-THB'), bookStream('BBB-THB')]
  await Promise.all([slow.next(), fast.next()])
  // More than the connection and the buffers of both ends hold, so that it has to wait in the service.
  const levels = Array.from({ length: 40 }, (_, index): LevelWord => ['ask', 1_000 + index, 1 + (index % 7)])
  for (let seq = 50; seq <= 400; seq += 50) {
    await exchange.play(...Array.from({ length: 50 }, () => tape.book(...levels)))
    expect(await fast.until(({ body }) => body.value?.seq === BigInt(seq))).toHaveLength(50)
  }
  await expect(slow.until(() => false)).rejects.toMatchObject({ kind: 'unavailable' })
  fast.stop()
})

test('trades as they happen, several of one order together', async () => {
  const tape = await exchange.list('CCC-THB', at)
  await exchange.play(tape.trade([[99, 1, 'buy']]))
  const streams = [1, 2].map(() => reader((signal) => exchange.api.streamTrades({ symbol: 'CCC-THB' }, { signal })))
  const first = streams.map((stream) => stream.next())
  // A stream of trades begins with silence: nothing shows that it is open.
  const shown = Promise.all(first)
  let price = 100
  await waitFor(async () => {
    price += 1
    await exchange.play(
      tape.later(1).trade([
        [price, 1, 'buy'],
        [price, 2, 'buy'],
      ]),
    )
    return Promise.race([shown.then(() => true), new Promise<false>((resolve) => setImmediate(() => resolve(false)))])
  })
  for (const { items } of await shown) {
    expect(items).toHaveLength(2)
    expect(items[0]).toMatchObject({ symbol: 'CCC-THB', side: 1, quantity: '0.001' })
    expect(items[1]).toMatchObject({ price: items[0]?.price, quantity: '0.002' })
    const [one, two] = items.map(({ tradeId }) => Number(tradeId.split('-').at(-1)))
    expect(two).toBe(Number(one) + 1)
  }
  for (const stream of streams) stream.stop()
})

test('a candle: as it is, each change, its close without a later trade, and the next one', async () => {
  const tape = await exchange.list('DDD-THB', at)
  await exchange.play(tape.later(1_000).trade([[100, 1, 'buy']]))
  const request = { symbol: 'DDD-THB', interval: CandleInterval.ONE_MINUTE }
  await waitFor(async () => (await exchange.api.listCandles(request)).items.length === 1)
  const stream = reader((signal) => exchange.api.streamCandles(request, { signal }))
  const first = await stream.next()
  expect(first).toMatchObject({
    closed: false,
    candle: {
      symbol: 'DDD-THB',
      interval: CandleInterval.ONE_MINUTE,
      open: '5',
      high: '5',
      low: '5',
      close: '5',
      volume: '0.001',
      startTime: timestampFromMs(at),
      endTime: timestampFromMs(at + 60_000),
    },
  })
  await exchange.play(tape.later(1_000).trade([[102, 2, 'buy']]))
  expect(await stream.next()).toMatchObject({ closed: false, candle: { open: '5', close: '5.1', volume: '0.003' } })
  exchange.clock.set(at + 61_000)
  expect(await stream.next()).toMatchObject({ closed: true, candle: { close: '5.1', volume: '0.003' } })
  await exchange.play(tape.at(at + 62_000).trade([[101, 1, 'buy']]))
  expect(await stream.next()).toMatchObject({
    closed: false,
    candle: { open: '5.05', volume: '0.001', startTime: timestampFromMs(at + 60_000) },
  })
  await exchange.play(tape.at(at + 185_000).trade([[103, 1, 'buy']]))
  expect(await stream.next()).toMatchObject({ closed: true, candle: { open: '5.05', volume: '0.001' } })
  expect(await stream.next()).toMatchObject({ closed: false, candle: { open: '5.15' } })
  stream.stop()
})

test('a ticker: now, then each change of price, of the best levels and of what leaves the 24 hours', async () => {
  const tape = await exchange.list('EEE-THB', at - 86_400_000 - 50_000)
  const stream = reader((signal) => exchange.api.streamTickers({ symbol: 'EEE-THB' }, { signal }))
  const { ticker } = await stream.next()
  expect(ticker).toEqual(create(TickerSchema, { symbol: 'EEE-THB', volume24h: '0', timestamp: ticker?.timestamp }))
  // A day ago: before the window, then inside of it for a minute more.
  await exchange.play(tape.trade([[100, 1, 'buy']]), tape.at(at - 86_400_000 + 90_000).trade([[120, 2, 'buy']]))
  await exchange.play(tape.at(at).trade([[110, 3, 'sell']], ['bid', 109, 1], ['ask', 111, 1]))
  const [last] = (await stream.until(({ ticker: now }) => now?.last === '5.5' && now.ask !== undefined)).slice(-1)
  expect(last?.ticker).toEqual(
    create(TickerSchema, {
      symbol: 'EEE-THB',
      last: '5.5',
      bid: '5.45',
      ask: '5.55',
      open24h: '5',
      high24h: '6',
      low24h: '5.5',
      volume24h: '0.005',
      change24h: '10.00',
      timestamp: last?.ticker?.timestamp,
    }),
  )
  await exchange.play(tape.book(['ask', 111, 0]))
  expect((await stream.until(({ ticker: now }) => now?.ask === undefined)).at(-1)?.ticker).toMatchObject({
    bid: '5.45',
  })
  exchange.clock.set(at + 95_000)
  const moved = (await stream.until(({ ticker: now }) => now?.open24h === '6')).at(-1)?.ticker
  expect(moved).toMatchObject({ high24h: '5.5', low24h: '5.5', volume24h: '0.003', change24h: '-8.33' })
  stream.stop()
})

test.each<[string, (signal: AbortSignal) => AsyncIterable<unknown>, string]>([
  ['no book', (signal) => exchange.api.streamBook({ symbol: 'NONE-THB' }, { signal }), 'not_found'],
  ['no trades', (signal) => exchange.api.streamTrades({ symbol: 'NONE-THB' }, { signal }), 'not_found'],
  ['no ticker', (signal) => exchange.api.streamTickers({ symbol: 'NONE-THB' }, { signal }), 'not_found'],
  [
    'no candles',
    (signal) => exchange.api.streamCandles({ symbol: 'NONE-THB', interval: CandleInterval.ONE_DAY }, { signal }),
    'not_found',
  ],
  ['candles of no interval', (signal) => exchange.api.streamCandles({ symbol: 'AAA-THB' }, { signal }), 'invalid'],
  ['a book of nothing', (signal) => exchange.api.streamBook({}, { signal }), 'invalid'],
])('refuses a stream of %s', async (_, open, kind) => {
  await expect(reader(open).next()).rejects.toMatchObject({ kind })
})

test('streams end with the service, to be opened again', async () => {
  const stream = bookStream('AAA-THB')
  await stream.next()
  const ended = expect(stream.next()).rejects.toMatchObject({ kind: 'unavailable' })
  await exchange.restart()
  await ended
  const again = bookStream('AAA-THB')
  expect((await again.next()).body).toMatchObject({ case: 'snapshot', value: { seq: 5n } })
  again.stop()
})
