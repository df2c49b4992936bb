import { waitFor } from '@bitka/testkit'
import { TestExchange, type TestMarket } from './exchange.ts'
import type { Person } from './person.ts'
import { type Answer, type Body, call, dataOf, essence, refusal, success, time, wholePage } from './rest.ts'

let exchange: TestExchange
let alice: Person
let bob: Person
let market: TestMarket
let startedAt: string
const base = '/v1/marketdata'
const get = (path: string): Promise<Answer> => call(exchange.url, 'GET', path)
/** Market data follows the trades by an event. */
const eventually = (path: string, expected: unknown): Promise<boolean> =>
  waitFor(async () => expect(essence(await get(path))).toEqual(expected) === undefined)

beforeAll(async () => {
  exchange = await TestExchange.start()
  market = await exchange.market()
  alice = await exchange.person('alice')
  bob = await exchange.person('bob')
  await exchange.fund(alice, '100000 THB')
  await exchange.fund(bob, `100 ${market.base}`)
  startedAt = new Date().toISOString()
  // Three trades at two prices, and a book of two bids and two asks.
  await alice.order('buy', market.symbol, '3', '100')
  await bob.order('sell', market.symbol, '1', '100')
  await bob.order('sell', market.symbol, '0.5', '100')
  await bob.order('sell', market.symbol, '2', '101')
  await alice.order('buy', market.symbol, '0.25', '101')
  await alice.order('buy', market.symbol, '4', '99.5')
  await bob.order('sell', market.symbol, '7', '102.25')
}, 120_000)
afterAll(() => exchange?.stop())

const level = (price: string, quantity: string) => ({ price, quantity })
const bids = [level('100.00', '1.5000'), level('99.50', '4.0000')]
const asks = [level('101.00', '1.7500'), level('102.25', '7.0000')]
const tick = (price: string, quantity: string, side: string) => ({
  trade_id: expect.stringMatching(/\S/),
  symbol: market.symbol,
  price,
  quantity,
  side,
  timestamp: time,
})

describe('GET symbols', () => {
  const path = `${base}/symbols`
  const listed = () => ({
    symbol: market.symbol,
    base_asset: market.base,
    quote_asset: 'THB',
    active: true,
    status: 'trading',
    tick_size: '0.01',
    lot_size: '0.0001',
    min_quantity: '0.0001',
    max_quantity: '1000',
    min_notional: '1',
    price_band_bps: 1000,
    maker_fee_bps: 10,
    taker_fee_bps: 20,
    base_decimals: 8,
    quote_decimals: 2,
  })

  it('lists the markets', async () => {
    const { status, body } = await get(`${path}?per_page=200`)
    const pagination = { page: 1, per_page: 200, total: expect.any(Number), total_pages: 1 }
    expect({ status, body }).toEqual(success({ items: expect.arrayContaining([listed()]), pagination }))
    const symbols = dataOf(body).items.map(({ symbol }: Body) => symbol)
    expect(symbols).toEqual(expect.arrayContaining(['BTC-THB', 'ETH-THB', 'USDT-THB']))
    expect(symbols).toEqual([...symbols].sort())
  })

  it('takes page, per_page (50 by default) and active', async () => {
    expect(dataOf((await get(path)).body).pagination.per_page).toBe(50)
    const one = dataOf((await get(`${path}?per_page=1&page=2`)).body)
    expect(one.items).toHaveLength(1)
    expect(one.pagination).toMatchObject({ page: 2, per_page: 1 })
    const inactive = dataOf((await get(`${path}?active=false`)).body).items
    expect(inactive.map(({ symbol }: Body) => symbol)).not.toContain(market.symbol)
  })

  test.each(['page=0', 'per_page=201', 'active=maybe'])('refuses %s', async (query) => {
    const [field = ''] = query.split('=')
    expect(essence(await get(`${path}?${query}`))).toEqual(refusal('INVALID_INPUT', path, [field]))
  })
})

describe('GET ticks', () => {
  const path = `${base}/ticks`
  const all = () => [tick('101', '0.25', 'buy'), tick('100', '0.5', 'sell'), tick('100', '1', 'sell')]

  it('lists trades, newest first', async () => {
    await eventually(`${path}?symbol=${market.symbol}`, success(wholePage(all(), 500)))
  })

  it('goes on with a cursor', async () => {
    const first = await get(`${path}?symbol=${market.symbol}&limit=2`)
    const next_cursor = expect.stringMatching(/\S/)
    const pagination = { page: 1, per_page: 2, total: 3, total_pages: 2, next_cursor }
    expect(essence(first)).toEqual(success({ items: all().slice(0, 2), pagination }))
    const cursor = dataOf(first.body).pagination.next_cursor
    const second = await get(`${path}?symbol=${market.symbol}&limit=2&cursor=${cursor}`)
    expect(essence(second)).toEqual(success({ items: all().slice(2), pagination: { per_page: 2 } }))
  })

  it('takes start and end', async () => {
    const none = success(wholePage([], 500))
    expect(essence(await get(`${path}?symbol=${market.symbol}&end=${startedAt}`))).toEqual(none)
    expect(essence(await get(`${path}?symbol=${market.symbol}&start=2100-01-01T00:00:00Z`))).toEqual(none)
    const some = await get(`${path}?symbol=${market.symbol}&start=${startedAt}`)
    expect(dataOf(some.body).items).toEqual(all())
  })

  test.each([
    ['limit=1001', 'limit'],
    ['limit=0', 'limit'],
    ['start=soon', 'start'],
    ['cursor=x', 'cursor'],
  ])('refuses %s', async (query, field) => {
    const answer = await get(`${path}?symbol=${market.symbol}&${query}`)
    expect(essence(answer)).toEqual(refusal('INVALID_INPUT', path, [field]))
  })

  it('is 404 for an unknown market, 400 for none', async () => {
    expect(essence(await get(`${path}?symbol=NO-PE`))).toEqual(refusal('NOT_FOUND', path))
    expect([400, 404]).toContain((await get(path)).status)
  })
})

describe('GET candles', () => {
  const path = `${base}/candles`

  it('sums the trades up', async () => {
    const candles = () => get(`${path}?symbol=${market.symbol}&interval=1d&start=${startedAt.slice(0, 10)}T00:00:00Z`)
    // Trades around midnight are in two candles.
    const volumes = (body: Body) => dataOf(body).items.map(({ volume }: Body) => Number(volume))
    await waitFor(
      async () => volumes((await candles()).body).reduce((sum: number, one: number) => sum + one, 0) === 1.75,
    )
    const answer = await candles()
    const candle = {
      symbol: market.symbol,
      interval: '1d',
      open: '100',
      high: '101',
      low: '100',
      close: '101',
      volume: '1.75',
      start_time: expect.stringMatching(/T00:00:00\.000Z$/),
      end_time: time,
    }
    const { items, ...rest } = dataOf(answer.body)
    // A trade behind midnight would begin a second candle.
    if (items.length === 1) expect(items).toEqual([candle])
    const { pagination } = wholePage(items, 100)
    expect(rest).toEqual({ symbol: market.symbol, interval: '1d', pagination })
    expect(answer.headers.get('cache-control')).toBe('no-store')
  })

  test.each(['1m', '5m', '15m', '30m', '1h', '4h', '1d', '1w'])('knows the interval %s', async (interval) => {
    const { body } = await get(`${path}?symbol=${market.symbol}&interval=${interval}`)
    const lengths: Record<string, number> = { m: 60, h: 3_600, d: 86_400, w: 604_800 }
    const seconds = Number.parseInt(interval, 10) * (lengths[interval.at(-1)!] ?? 0)
    const { items } = dataOf(body)
    expect(items.length).toBeGreaterThan(0)
    for (const { start_time, end_time } of items) {
      expect(Date.parse(end_time) - Date.parse(start_time)).toBe(seconds * 1_000)
    }
  })

  it('keeps closed candles', async () => {
    const past = `${path}?symbol=${market.symbol}&interval=1m&end=2020-01-01T00:00:00Z`
    const none = { symbol: market.symbol, interval: '1m', ...wholePage([], 100) }
    expect(essence(await get(past))).toEqual(success(none))
  })

  test.each([
    ['interval=2m', 'interval'],
    ['interval=1m&limit=1001', 'limit'],
    ['interval=1m&start=x', 'start'],
  ])('refuses %s', async (query, field) => {
    const answer = await get(`${path}?symbol=${market.symbol}&${query}`)
    expect(essence(answer)).toEqual(refusal('INVALID_INPUT', path, [field]))
  })

  it('is 404 for an unknown market', async () => {
    expect(essence(await get(`${path}?symbol=NO-PE&interval=1m`))).toEqual(refusal('NOT_FOUND', path))
  })
})

describe('GET orderbook/{symbol}', () => {
  it('is the book, best first, with the decimals of tick and lot', async () => {
    const book = { symbol: market.symbol, seq: expect.any(Number), bids, asks, timestamp: time }
    await eventually(`${base}/orderbook/${market.symbol}`, success(book))
    const top = { ...book, bids: bids.slice(0, 1), asks: asks.slice(0, 1) }
    expect(essence(await get(`${base}/orderbook/${market.symbol}?depth=1`))).toEqual(success(top))
  })

  it('refuses a depth of zero or above a thousand, and an unknown market', async () => {
    const path = `${base}/orderbook/${market.symbol}`
    for (const depth of [0, 1001]) {
      expect(essence(await get(`${path}?depth=${depth}`))).toEqual(refusal('INVALID_INPUT', path, ['depth']))
    }
    const unknown = `${base}/orderbook/NO-PE`
    expect(essence(await get(unknown))).toEqual(refusal('NOT_FOUND', unknown))
  })
})

describe('GET orderbook/{symbol}/history', () => {
  it('leads from its first snapshot to the book', async () => {
    const path = `${base}/orderbook/${market.symbol}/history`
    const { seq } = dataOf((await get(`${base}/orderbook/${market.symbol}`)).body)
    const history = await waitFor(async () => {
      const data = dataOf((await get(`${path}?limit=1000`)).body)
      return data.updates.at(-1)?.seq === seq ? data : undefined
    })
    const { snapshots, updates } = history
    expect(snapshots[0]).toEqual({
      symbol: market.symbol,
      seq: expect.any(Number),
      bids: expect.any(Array),
      asks: expect.any(Array),
      timestamp: time,
    })
    const sides: Record<string, Map<string, string>> = { bid: new Map(), ask: new Map() }
    for (const { price, quantity } of snapshots[0].bids) sides.bid!.set(price, quantity)
    for (const { price, quantity } of snapshots[0].asks) sides.ask!.set(price, quantity)
    let last = snapshots[0].seq
    for (const update of updates) {
      expect(update).toEqual({ symbol: market.symbol, seq: last + 1, changes: expect.any(Array), timestamp: time })
      last = update.seq
      for (const { side, price, quantity } of update.changes) {
        if (/^[0.]*$/.test(quantity)) sides[side]!.delete(price)
        else sides[side]!.set(price, quantity)
      }
    }
    expect(sides).toEqual({
      bid: new Map(bids.map(({ price, quantity }) => [price, quantity])),
      ask: new Map(asks.map(({ price, quantity }) => [price, quantity])),
    })
  })

  it('counts updates in limit, and refuses what it cannot read', async () => {
    const path = `${base}/orderbook/${market.symbol}/history`
    expect(dataOf((await get(`${path}?limit=2`)).body).updates).toHaveLength(2)
    expect(essence(await get(`${path}?limit=1001`))).toEqual(refusal('INVALID_INPUT', path, ['limit']))
    expect(essence(await get(`${path}?start=x`))).toEqual(refusal('INVALID_INPUT', path, ['start']))
    const unknown = `${base}/orderbook/NO-PE/history`
    expect(essence(await get(unknown))).toEqual(refusal('NOT_FOUND', unknown))
  })
})
