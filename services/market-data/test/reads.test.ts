import { MarketStatus, OrderSide } from '@bitka/proto/bitka/common/v1/market_pb'
import {
  BookSide,
  CandleInterval,
  GetOrderBookHistoryResponseSchema,
  GetOrderBookResponseSchema,
  ListCandlesResponseSchema,
  ListSymbolsResponseSchema,
  ListTicksResponseSchema,
} from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { waitFor } from '@bitka/testkit'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { type TestExchange, testExchange } from './exchange.ts'

let exchange: TestExchange
const at = Date.UTC(2026, 0, 7, 10, 0, 0)
const time = timestampFromMs

beforeAll(async () => {
  exchange = await testExchange()
})
afterAll(() => exchange.stop())

describe('ListSymbols', () => {
  const symbolOf = (symbol: string, status: MarketStatus, more = {}) => ({
    symbol,
    baseAsset: symbol.split('-')[0],
    quoteAsset: symbol.split('-')[1],
    active: status === MarketStatus.TRADING,
    status,
    tickSize: '0.05',
    lotSize: '0.001',
    minQuantity: '0.001',
    maxQuantity: '100',
    minNotional: '1',
    priceBandBps: 1000,
    makerFeeBps: 10,
    takerFeeBps: 20,
    baseDecimals: 8,
    quoteDecimals: 2,
    ...more,
  })
  const answer = (
    items: ReturnType<typeof symbolOf>[],
    pagination: { page: number; perPage: number; total: bigint; totalPages: number },
  ) => create(ListSymbolsResponseSchema, { items, pagination })

  it('shows the markets as they are defined now, by symbol', async () => {
    const first = await exchange.list('BBB-THB')
    const second = await exchange.list('AAA-THB')
    await exchange.play(first.status(MarketStatus.HALTED), second.define({ takerFeeBps: 30 }))
    const [aaa, bbb] = [
      symbolOf('AAA-THB', MarketStatus.TRADING, { takerFeeBps: 30 }),
      symbolOf('BBB-THB', MarketStatus.HALTED),
    ]
    const page = { page: 1, perPage: 50, totalPages: 1 }
    await waitFor(async () => {
      expect(await exchange.api.listSymbols({})).toEqual(answer([aaa, bbb], { ...page, total: 2n }))
      return true
    })
    expect(await exchange.api.listSymbols({ active: true })).toEqual(answer([aaa], { ...page, total: 1n }))
    expect(await exchange.api.listSymbols({ active: false })).toEqual(answer([bbb], { ...page, total: 1n }))
    expect(await exchange.api.listSymbols({ page: 2, perPage: 1 })).toEqual(
      answer([bbb], { page: 2, perPage: 1, total: 2n, totalPages: 2 }),
    )
  })

  it.each([{ page: 0 }, { perPage: 0 }, { perPage: 201 }])('refuses %j', async (request) => {
    await expect(exchange.api.listSymbols(request)).rejects.toMatchObject({ kind: 'invalid' })
  })
})

describe('ListTicks and ListCandles', () => {
  const symbol = 'CCC-THB'
  const tick = (number: number, price: string, quantity: string, side: OrderSide, timeMs: number) => ({
    tradeId: `${symbol}-${number}`,
    symbol,
    price,
    quantity,
    side,
    timestamp: time(timeMs),
  })
  const ticks = [
    tick(4, '5.3', '0.004', OrderSide.SELL, at + 120_000),
    tick(3, '5.1', '0.5', OrderSide.BUY, at + 59_999),
    tick(2, '5', '0.01', OrderSide.BUY, at + 1_000),
    tick(1, '5.05', '1', OrderSide.SELL, at + 1_000),
  ]

  beforeAll(async () => {
    const tape = await exchange.list(symbol, at)
    await exchange.play(
      tape.at(at + 1_000).trade([
        [101, 1000, 'sell'],
        [100, 10, 'buy'],
      ]),
      tape.at(at + 59_999).trade([[102, 500, 'buy']]),
    )
    await exchange.play(tape.at(at + 120_000).trade([[106, 4, 'sell']]))
  })

  it('lists trades, newest first', async () => {
    expect(await exchange.api.listTicks({ symbol })).toEqual(
      create(ListTicksResponseSchema, {
        items: ticks,
        pagination: { page: 1, perPage: 500, total: 4n, totalPages: 1 },
      }),
    )
  })

  it('lists the trades of a span: its begin belongs to it, its end does not', async () => {
    const found = await exchange.api.listTicks({ symbol, start: time(at + 1_000), end: time(at + 120_000) })
    expect(found).toEqual(
      create(ListTicksResponseSchema, {
        items: ticks.slice(1),
        pagination: { page: 1, perPage: 500, total: 3n, totalPages: 1 },
      }),
    )
    const none = await exchange.api.listTicks({ symbol, end: time(at + 1_000) })
    expect(none).toMatchObject({ items: [], pagination: { total: 0n, totalPages: 0 } })
  })

  it('goes through all trades by cursor, also within one millisecond', async () => {
    const first = await exchange.api.listTicks({ symbol, limit: 3 })
    expect(first.items).toHaveLength(3)
    expect(first.pagination).toMatchObject({ total: 4n, totalPages: 2, nextCursor: expect.any(String) })
    const second = await exchange.api.listTicks({ symbol, limit: 3, cursor: first.pagination?.nextCursor })
    expect(second).toEqual(create(ListTicksResponseSchema, { items: ticks.slice(3), pagination: { perPage: 3 } }))
  })

  const candle = (interval: CandleInterval, startMs: number, ms: number, prices: string[], volume: string) => ({
    symbol,
    interval,
    open: prices[0],
    high: prices[1],
    low: prices[2],
    close: prices[3],
    volume,
    startTime: time(startMs),
    endTime: time(startMs + ms),
  })
  const minutes = [
    candle(CandleInterval.ONE_MINUTE, at, 60_000, ['5.05', '5.1', '5', '5.1'], '1.51'),
    candle(CandleInterval.ONE_MINUTE, at + 120_000, 60_000, ['5.3', '5.3', '5.3', '5.3'], '0.004'),
  ]
  const week = candle(
    CandleInterval.ONE_WEEK,
    Date.UTC(2026, 0, 5),
    7 * 86_400_000,
    ['5.05', '5.3', '5', '5.3'],
    '1.514',
  )

  it('lists candles, oldest first, without those in which nothing traded', async () => {
    const interval = CandleInterval.ONE_MINUTE
    expect(await exchange.api.listCandles({ symbol, interval })).toEqual(
      create(ListCandlesResponseSchema, {
        symbol,
        interval,
        items: minutes,
        pagination: { page: 1, perPage: 100, total: 2n, totalPages: 1 },
      }),
    )
    const weekly = await exchange.api.listCandles({ symbol, interval: CandleInterval.ONE_WEEK })
    expect(weekly.items).toEqual(create(ListCandlesResponseSchema, { items: [week] }).items)
  })

  it.each<[string, object, number[]]>([
    ['from its begin on', { start: time(at) }, [0, 1]],
    ['not what began before', { start: time(at + 1) }, [1]],
    ['up to its end', { end: time(at + 120_000) }, [0]],
    ['with its last millisecond', { end: time(at + 120_001) }, [0, 1]],
    ['nothing between', { start: time(at + 1), end: time(at + 1) }, []],
  ])('lists candles of a span: %s', async (_, span, wanted) => {
    const found = await exchange.api.listCandles({ symbol, interval: CandleInterval.ONE_MINUTE, ...span })
    const items = wanted.map((index) => minutes[index]!)
    expect(found.items).toEqual(create(ListCandlesResponseSchema, { items }).items)
    expect(found.pagination?.total).toBe(BigInt(items.length))
  })

  it('goes through candles by cursor, forward from a start and backward from an end', async () => {
    const interval = CandleInterval.ONE_MINUTE
    const walk = async (request: object): Promise<(bigint | undefined)[]> => {
      const starts: (bigint | undefined)[] = []
      let cursor: string | undefined
      do {
        const page = await exchange.api.listCandles({ symbol, interval, limit: 1, cursor, ...request })
        expect(page.items).toHaveLength(1)
        expect(page.pagination?.total).toBe(cursor === undefined ? 2n : undefined)
        starts.push(page.items[0]?.startTime?.seconds)
        cursor = page.pagination?.nextCursor
      } while (cursor !== undefined)
      return starts
    }
    const seconds = minutes.map(({ startTime }) => startTime.seconds)
    expect(await walk({ start: time(at - 1) })).toEqual(seconds)
    expect(await walk({})).toEqual([...seconds].reverse())
  })

  it('tells others of each trade', async () => {
    const log = exchange.platform.eventLog('notification')
    const { PriceTickSchema } = await import('@bitka/proto/bitka/events/v1/prices_pb')
    const { fromBinary } = await import('@bufbuild/protobuf')
    const events = await waitFor(async () => {
      const { records } = await log.read('market.price.tick', 0, 0n)
      const own = records.filter(({ key }) => key === symbol)
      return own.length === 4 && own
    })
    expect(events.map(({ value }) => fromBinary(PriceTickSchema, value))).toEqual(
      [...ticks].reverse().map((one) => create(PriceTickSchema, one)),
    )
    expect(events[0]?.headers).toMatchObject({ type: 'bitka.events.v1.PriceTick', producer: 'market-data' })
  })

  it.each<[string, () => Promise<unknown>, object]>([
    ['no symbol', () => exchange.api.listTicks({}), { kind: 'invalid', details: { symbol: 'is required' } }],
    ['an unknown symbol', () => exchange.api.listTicks({ symbol: 'NONE-THB' }), { kind: 'not_found' }],
    [
      'no interval',
      () => exchange.api.listCandles({ symbol }),
      { kind: 'invalid', details: { interval: expect.any(String) } },
    ],
    [
      'an interval that is none',
      () => exchange.api.listCandles({ symbol, interval: 99 as CandleInterval }),
      { kind: 'invalid', details: { interval: expect.any(String) } },
    ],
    [
      'candles of an unknown symbol',
      () => exchange.api.listCandles({ symbol: 'NONE-THB', interval: CandleInterval.ONE_DAY }),
      { kind: 'not_found' },
    ],
    ['a limit of 0', () => exchange.api.listTicks({ symbol, limit: 0 }), { kind: 'invalid' }],
    ['a limit of 1001', () => exchange.api.listTicks({ symbol, limit: 1001 }), { kind: 'invalid' }],
    [
      'a span that ends before it begins',
      () => exchange.api.listTicks({ symbol, start: time(2), end: time(1) }),
      { kind: 'invalid', details: { end: expect.any(String) } },
    ],
    [
      'a time beyond all calendars',
      () => exchange.api.listTicks({ symbol, start: { seconds: 2n ** 60n } }),
      { kind: 'invalid', details: { start: 'is no time' } },
    ],
    ['a cursor that is none', () => exchange.api.listTicks({ symbol, cursor: 'x' }), { kind: 'invalid' }],
    [
      'a cursor of another list',
      async () => {
        const { pagination } = await exchange.api.listTicks({ symbol, limit: 1 })
        const cursor = pagination?.nextCursor
        return exchange.api.listCandles({ symbol, interval: CandleInterval.ONE_DAY, cursor })
      },
      { kind: 'invalid', details: { cursor: expect.any(String) } },
    ],
  ])('refuses %s', async (_, call, refusal) => {
    await expect(call()).rejects.toMatchObject(refusal)
  })
})

describe('GetOrderBook and its history', () => {
  const symbol = 'DDD-THB'

  it('shows the book, best first, zero-padded', async () => {
    const tape = await exchange.list(symbol, at)
    await exchange.play(
      tape.at(at + 1).book(['bid', 100, 1], ['bid', 99, 20], ['ask', 104, 5], ['ask', 103, 7]),
      tape.at(at + 2).book(['bid', 98, 3], ['ask', 104, 0]),
    )
    const book = {
      symbol,
      seq: 2n,
      bids: [
        { price: '5.00', quantity: '0.001' },
        { price: '4.95', quantity: '0.020' },
        { price: '4.90', quantity: '0.003' },
      ],
      asks: [{ price: '5.15', quantity: '0.007' }],
      timestamp: time(at + 2),
    }
    const answer = (value: object) => create(GetOrderBookResponseSchema, { book: value })
    await waitFor(async () => {
      expect(await exchange.api.getOrderBook({ symbol })).toEqual(answer(book))
      return true
    })
    expect(await exchange.api.getOrderBook({ symbol, depth: 1 })).toEqual(
      answer({ ...book, bids: book.bids.slice(0, 1) }),
    )
  })

  it('tells what the book was and how it changed', async () => {
    const change = (side: BookSide, price: string, quantity: string) => ({ side, price, quantity })
    const [first, second] = [
      {
        symbol,
        seq: 1n,
        changes: [
          change(BookSide.BID, '5.00', '0.001'),
          change(BookSide.BID, '4.95', '0.020'),
          change(BookSide.ASK, '5.20', '0.005'),
          change(BookSide.ASK, '5.15', '0.007'),
        ],
        timestamp: time(at + 1),
      },
      {
        symbol,
        seq: 2n,
        changes: [change(BookSide.BID, '4.90', '0.003'), change(BookSide.ASK, '5.20', '0.000')],
        timestamp: time(at + 2),
      },
    ]
    const answer = (init: MessageInitShape<typeof GetOrderBookHistoryResponseSchema>) =>
      create(GetOrderBookHistoryResponseSchema, init)
    const empty = { symbol, seq: 0n, timestamp: time(at) }
    const whole = answer({ snapshots: [empty], updates: [first, second] })
    expect(await exchange.api.getOrderBookHistory({ symbol })).toEqual(whole)
    // Before there was a market, its history begins with the empty book.
    expect(await exchange.api.getOrderBookHistory({ symbol, start: time(at - 9) })).toEqual(whole)
    expect(await exchange.api.getOrderBookHistory({ symbol, start: time(at), limit: 1 })).toEqual(
      answer({ snapshots: [empty], updates: [first] }),
    )
    expect(await exchange.api.getOrderBookHistory({ symbol, start: time(at), end: time(at + 2) })).toEqual(
      answer({ snapshots: [empty], updates: [first] }),
    )
    const { book } = await exchange.api.getOrderBook({ symbol })
    const later = await exchange.api.getOrderBookHistory({ symbol, start: time(at + 2) })
    expect(later).toEqual(answer({ snapshots: [book!], updates: [] }))
    const between = await exchange.api.getOrderBookHistory({ symbol, start: time(at + 1) })
    expect(between.updates).toEqual(answer({ updates: [second] }).updates)
    expect(between.snapshots).toMatchObject([{ seq: 1n, timestamp: time(at + 1) }])
  })

  it.each<[string, () => Promise<unknown>, string]>([
    ['no symbol', () => exchange.api.getOrderBook({}), 'invalid'],
    ['an unknown symbol', () => exchange.api.getOrderBook({ symbol: 'btc-thb' }), 'not_found'],
    ['a depth of 0', () => exchange.api.getOrderBook({ symbol, depth: 0 }), 'invalid'],
    ['a depth of 1001', () => exchange.api.getOrderBook({ symbol, depth: 1001 }), 'invalid'],
    ['the history of an unknown symbol', () => exchange.api.getOrderBookHistory({ symbol: 'NONE-THB' }), 'not_found'],
    ['1001 updates', () => exchange.api.getOrderBookHistory({ symbol, limit: 1001 }), 'invalid'],
  ])('refuses %s', async (_, call, kind) => {
    await expect(call()).rejects.toMatchObject({ kind })
  })
})

test('GetTime says what the clock says', async () => {
  const before = exchange.clock.nowMs()
  const { time: now, epochMs } = await exchange.api.getTime({})
  expect(Number(epochMs)).toBeGreaterThanOrEqual(before)
  expect(Number(epochMs)).toBeLessThanOrEqual(exchange.clock.nowMs())
  expect(now).toEqual(time(Number(epochMs)))
})

test('nobody but the gateway may ask', async () => {
  const order = await exchange.as('order')
  await expect(order.listSymbols({})).rejects.toMatchObject({ kind: 'forbidden' })
  await expect(order.streamBook({ symbol: 'DDD-THB' })[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    kind: 'forbidden',
  })
})
