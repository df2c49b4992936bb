import { DomainError } from '@bitka/kernel'
import { waitFor } from '@bitka/testkit'
import { WebSocket } from 'ws'
import { bookChecksum } from '../src/stream/checksum.ts'
import { Source, type TokenOptions, token, World } from './world.ts'

type Frame = Record<string, unknown> & { type: string; channel?: string; seq?: number; prev_seq?: number }
type Level = { price: string; quantity: string }

let world: World
let port: number
/** The streams that market-data has been asked for, newest last. */
let books: Source<object>[]

beforeAll(async () => {
  world = await World.open()
  port = (await world.gateway(env)).port
})
afterAll(() => world.close())

const env = { BITKA_RATE_LIMIT_SCALE: '0' }
const clients: Client[] = []
beforeEach(() => {
  world.handlers.clear()
  world.calls.length = 0
  books = []
  world.on('GetOrderBook', async ({ symbol }: { symbol: string }) => {
    if (!symbol.endsWith('-THB')) throw new DomainError('not_found', 'There is no such market.')
    return {}
  })
  world.on('StreamBook', ({ symbol }: { symbol: string }) => {
    const source = new Source<object>()
    source.push(snapshot(symbol))
    books.push(source)
    return source
  })
})
afterEach(() => {
  for (const client of clients.splice(0)) client.socket.terminate()
})

/** A market of its own for each test, since feeds linger. */
let markets = 0
const market = (): string => {
  markets += 1
  return `T${markets}-THB`
}

const snapshot = (symbol: string, seq = 10) => ({
  body: {
    case: 'snapshot',
    value: {
      symbol,
      seq: BigInt(seq),
      bids: [{ price: '99.00', quantity: '1.000' }],
      asks: [{ price: '101.00', quantity: '2.000' }],
    },
  },
})
const update = (symbol: string, seq: number, price: string, quantity: string, side = 1) => ({
  body: { case: 'update', value: { symbol, seq: BigInt(seq), changes: [{ side, price, quantity }] } },
})

class Client {
  readonly frames: Frame[] = []
  closed: { code: number; reason: string } | undefined

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data) => this.frames.push(JSON.parse(String(data))))
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: String(reason) }
    })
    socket.on('error', () => {})
    clients.push(this)
  }

  static async open(
    at = port,
    options: { autoPong?: boolean; headers?: Record<string, string> } = {},
  ): Promise<Client> {
    const client = new Client(new WebSocket(`ws://127.0.0.1:${at}/v1/marketdata/stream`, options))
    await new Promise((resolve, reject) => client.socket.once('open', resolve).once('error', reject))
    return client
  }

  send(message: object | string): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  /** Waits for a frame with these fields, and answers the first that has them. */
  async sees(wanted: Record<string, unknown>): Promise<Frame> {
    const found = () =>
      this.frames.find((frame) => Object.entries(wanted).every(([name, value]) => frame[name] === value))
    return await waitFor(found, {
      what: `${JSON.stringify(wanted)} among ${JSON.stringify(this.frames).slice(0, 600)}`,
    })
  }

  async ask(message: object): Promise<Frame> {
    const id = `${Math.random()}`
    this.send({ ...message, id })
    return await this.sees({ id })
  }

  async auth(options: TokenOptions = {}): Promise<void> {
    expect(await this.ask({ op: 'auth', token: token(options) })).toMatchObject({ type: 'authenticated' })
  }
}

/** The book that a client builds from frames, checking each as it should. */
function rebuild(frames: readonly Frame[]): { seq: number; bids: Level[]; asks: Level[] } {
  const sides: Record<'bid' | 'ask', Map<string, string>> = { bid: new Map(), ask: new Map() }
  const sorted = (side: 'bid' | 'ask') =>
    [...sides[side]]
      .map(([price, quantity]) => ({ price, quantity }))
      .sort((a, b) => (Number(a.price) - Number(b.price)) * (side === 'ask' ? 1 : -1))
  let seq = -1
  const data = frames.filter((frame) => frame.channel === 'orderbook' && frame.seq !== undefined)
  for (const [index, frame] of data.entries()) {
    if (frame.type === 'snapshot') {
      sides.bid = new Map((frame.bids as Level[]).map(({ price, quantity }) => [price, quantity]))
      sides.ask = new Map((frame.asks as Level[]).map(({ price, quantity }) => [price, quantity]))
    } else {
      expect(frame.prev_seq).toBe(seq)
      for (const { side, price, quantity } of frame.changes as (Level & { side: 'bid' | 'ask' })[]) {
        if (Number(quantity) === 0) sides[side].delete(price)
        else sides[side].set(price, quantity)
      }
    }
    seq = frame.seq ?? -1
    // Sorting is slow, so not each of a thousand.
    if (index < 20 || index === data.length - 1) expect(frame.checksum).toBe(bookChecksum(sorted('ask'), sorted('bid')))
  }
  return { seq, bids: sorted('bid'), asks: sorted('ask') }
}

describe('the order book', () => {
  it('is a snapshot, then updates without gaps, each with its checksum', async () => {
    const symbol = market()
    const client = await Client.open()
    expect(await client.ask({ op: 'subscribe', channel: 'orderbook', symbol })).toEqual({
      type: 'subscribed',
      id: expect.any(String),
      channel: 'orderbook',
      symbol,
    })
    expect(await client.sees({ type: 'snapshot' })).toEqual({
      channel: 'orderbook',
      type: 'snapshot',
      symbol,
      seq: 10,
      bids: [{ price: '99.00', quantity: '1.000' }],
      asks: [{ price: '101.00', quantity: '2.000' }],
      checksum: expect.any(Number),
      timestamp: expect.stringMatching(/Z$/),
    })
    books[0]?.push(update(symbol, 11, '98.00', '5.000'), update(symbol, 12, '101.00', '0.000', 2))
    expect(await client.sees({ seq: 12 })).toMatchObject({ type: 'update', symbol, prev_seq: 11 })
    expect(rebuild(client.frames)).toEqual({
      seq: 12,
      bids: [
        { price: '99.00', quantity: '1.000' },
        { price: '98.00', quantity: '5.000' },
      ],
      asks: [],
    })
  })

  it('is one stream upstream for all; who comes late sees it as it is', async () => {
    const symbol = market()
    const [first, second] = [await Client.open(), await Client.open()]
    await first.ask({ op: 'subscribe', channel: 'orderbook', symbol })
    await first.sees({ seq: 10 })
    books[0]?.push(update(symbol, 11, '98.00', '5.000'))
    await first.sees({ seq: 11 })
    await second.ask({ op: 'subscribe', channel: 'orderbook', symbol })
    expect(await second.sees({ seq: 11 })).toMatchObject({ type: 'snapshot' })
    books[0]?.push(update(symbol, 12, '97.00', '5.000'))
    await Promise.all([first.sees({ seq: 12 }), second.sees({ seq: 12 })])
    expect(rebuild(first.frames)).toEqual(rebuild(second.frames))
    expect(books).toHaveLength(1)
  })

  it('begins anew after a gap or a break upstream, and on subscribing again', async () => {
    const symbol = market()
    const client = await Client.open()
    await client.ask({ op: 'subscribe', channel: 'orderbook', symbol })
    await client.sees({ seq: 10 })
    books[0]?.push(update(symbol, 13, '98.00', '5.000'))
    await waitFor(() => client.frames.filter(({ type }) => type === 'snapshot').length === 2)
    expect(client.frames.some(({ seq }) => seq === 13)).toBe(false)
    books[1]?.end(new DomainError('unavailable', 'Restarting.'))
    await waitFor(() => client.frames.filter(({ type }) => type === 'snapshot').length === 3)
    await client.ask({ op: 'subscribe', channel: 'orderbook', symbol })
    await waitFor(() => client.frames.filter(({ type }) => type === 'snapshot').length === 4)
    books[2]?.push(update(symbol, 11, '98.00', '5.000'))
    await client.sees({ seq: 11 })
    rebuild(client.frames)
  })

  it('stops on unsubscribing', async () => {
    const symbol = market()
    const client = await Client.open()
    await client.ask({ op: 'subscribe', channel: 'orderbook', symbol })
    await client.sees({ seq: 10 })
    expect(await client.ask({ op: 'unsubscribe', channel: 'orderbook', symbol })).toMatchObject({
      type: 'unsubscribed',
    })
    books[0]?.push(update(symbol, 11, '98.00', '5.000'))
    expect(await client.ask({ op: 'ping' })).toMatchObject({ type: 'pong' })
    expect(client.frames.some(({ seq }) => seq === 11)).toBe(false)
  })
})

describe('slow readers', () => {
  it('get updates that were joined, and the same book as everybody', async () => {
    const { port: slowPort } = await world.gateway({ ...env, BITKA_WS_SLOW_BYTES: '20000' })
    const symbol = market()
    const [slow, quick] = [await Client.open(slowPort), await Client.open(slowPort)]
    for (const client of [slow, quick]) {
      await client.ask({ op: 'subscribe', channel: 'orderbook', symbol })
      await client.sees({ seq: 10 })
    }
    slow.socket.pause()
    // More than the buffers of the sockets hold, so that it has to be kept by the gateway or joined.
    const bulk = Array.from({ length: 400 }, (_, index) => ({
      side: 1 + (index % 2),
      price: index % 2 ? `${600 + index}.00` : `${500 - index}.00`,
    }))
    let seq = 10
    for (; seq < 500; seq += 1) {
      const changes = bulk.map((change) => ({ ...change, quantity: `${seq}.000` }))
      books[0]?.push({ body: { case: 'update', value: { symbol, seq: BigInt(seq + 1), changes } } })
    }
    await waitFor(() => quick.frames.at(-1)?.seq === seq, { timeoutMs: 90_000 })
    slow.socket.resume()
    await waitFor(() => slow.frames.at(-1)?.seq === seq, { timeoutMs: 90_000 })
    expect(slow.frames.length).toBeLessThan(quick.frames.length)
    expect(slow.frames.some((frame) => frame.type === 'update' && (frame.seq ?? 0) - (frame.prev_seq ?? 0) > 1)).toBe(
      true,
    )
    expect(rebuild(slow.frames)).toEqual(rebuild(quick.frames))
  })

  it('are dropped with 4008 when nothing helps', async () => {
    const { port: slowPort, metricsPort } = await world.gateway({
      ...env,
      BITKA_WS_SLOW_BYTES: '20000',
      BITKA_WS_DROP_BYTES: '500000',
      BITKA_METRICS_PORT: '0',
    })
    const symbol = market()
    const source = new Source<object>()
    world.on('StreamTrades', () => source)
    const client = await Client.open(slowPort)
    await client.ask({ op: 'subscribe', channel: 'trades', symbol })
    client.socket.pause()
    const items = Array.from({ length: 1_000 }, (_, index) => ({ tradeId: `trade-${index}`.padEnd(100, '.'), symbol }))
    const dropped = async () => {
      source.push({ items }, { items }, { items })
      const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
      return /websockets_dropped_total\{[^}]*\} 1/.test(text)
    }
    await waitFor(dropped)
    client.socket.resume()
    await waitFor(() => client.closed)
    expect([4008, 1006]).toContain(client.closed?.code)
  })
})

describe('trades, tickers and candles', () => {
  it('are framed as the contract says; state is shown to those who join', async () => {
    const symbol = market()
    const time = { seconds: 1767225600n, nanos: 0 }
    const [trades, tickers, candles] = [new Source<object>(), new Source<object>(), new Source<object>()]
    world.on('StreamTrades', () => trades)
    world.on('StreamTickers', () => tickers)
    world.on('StreamCandles', () => candles)
    const client = await Client.open()
    await client.ask({ op: 'subscribe', channel: 'trades', symbol })
    await client.ask({ op: 'subscribe', channel: 'ticker', symbol })
    expect(await client.ask({ op: 'subscribe', channel: 'candles', symbol, interval: '1m' })).toMatchObject({
      interval: '1m',
    })
    trades.push({ items: [{ tradeId: 't1', symbol, price: '1.0', quantity: '2', side: 1, timestamp: time }] })
    tickers.push({ ticker: { symbol, last: '1.0', volume24h: '2', timestamp: time } })
    candles.push({ candle: { symbol, interval: 1, open: '1', startTime: time, endTime: time }, closed: true })
    const timestamp = '2026-01-01T00:00:00.000Z'
    expect(await client.sees({ type: 'trade' })).toEqual({
      channel: 'trades',
      type: 'trade',
      symbol,
      items: [{ trade_id: 't1', symbol, price: '1.0', quantity: '2', side: 'buy', timestamp }],
      timestamp,
    })
    expect(await client.sees({ type: 'ticker' })).toEqual({
      channel: 'ticker',
      type: 'ticker',
      symbol,
      last: '1.0',
      volume_24h: '2',
      timestamp,
    })
    expect(await client.sees({ type: 'candle' })).toEqual({
      channel: 'candles',
      type: 'candle',
      symbol,
      interval: '1m',
      candle: { symbol, interval: '1m', open: '1', start_time: timestamp, end_time: timestamp },
      closed: true,
      timestamp: expect.any(String),
    })
    const late = await Client.open()
    await late.ask({ op: 'subscribe', channel: 'ticker', symbol })
    await late.sees({ type: 'ticker', last: '1.0' })
  })
})

describe('private channels', () => {
  const streams = () => {
    const all: Source<object>[] = []
    world.on('StreamOrders', () => {
      const source = new Source<object>()
      source.push({ snapshot: true, items: [{ orderId: `o${all.length}` }] })
      all.push(source)
      return source
    })
    return all
  }

  it('are for those who have signed in', async () => {
    const client = await Client.open()
    expect(await client.ask({ op: 'subscribe', channel: 'orders' })).toMatchObject({
      type: 'error',
      code: 'UNAUTHORIZED',
    })
    expect(await client.ask({ op: 'auth', token: 'x.y.z' })).toMatchObject({ type: 'error', code: 'UNAUTHORIZED' })
  })

  it('begin with a snapshot, and count their frames', async () => {
    const orders = streams()
    const fills = new Source<object>()
    const balances = new Source<object>()
    world.on('StreamFills', () => fills)
    world.on('StreamBalances', () => balances)
    const client = await Client.open()
    await client.auth({ userId: 'u1' })
    await client.ask({ op: 'subscribe', channel: 'orders' })
    expect(await client.sees({ channel: 'orders', type: 'snapshot' })).toMatchObject({
      seq: 1,
      prev_seq: 0,
      items: [{ order_id: 'o0', client_order_id: null, fills: [] }],
    })
    expect(world.last.ctx.user?.userId).toBe('u1')
    orders[0]?.push({ items: [{ orderId: 'a' }, { orderId: 'b' }] })
    expect(await client.sees({ channel: 'orders', seq: 3 })).toMatchObject({
      type: 'order',
      prev_seq: 2,
      order: { order_id: 'b' },
    })

    await client.ask({ op: 'subscribe', channel: 'fills', since_fill_id: 'f0' })
    fills.push(
      { snapshot: true, items: [{ fillId: 'f1', orderId: 'o', side: 1 }] },
      { items: [{ fillId: 'f2', orderId: 'o', symbol: 'B-T', side: 2 }] },
    )
    expect(await client.sees({ channel: 'fills', type: 'fill' })).toMatchObject({
      seq: 2,
      order_id: 'o',
      symbol: 'B-T',
      side: 'sell',
      fill: { fill_id: 'f2' },
    })
    expect(world.calls.find(({ method }) => method === 'StreamFills')?.request).toMatchObject({ sinceFillId: 'f0' })

    await client.ask({ op: 'subscribe', channel: 'balances' })
    balances.push(
      { snapshot: true, items: [] },
      { items: [{ accountId: 'a', asset: 'BTC', available: '1', locked: '0' }] },
    )
    expect(await client.sees({ channel: 'balances', type: 'balance' })).toMatchObject({
      seq: 2,
      prev_seq: 1,
      account_id: 'a',
      asset: 'BTC',
      available: '1',
      locked: '0',
    })
  })

  it('go on after a break upstream, with a snapshot, and fills without a hole', async () => {
    const fills: Source<object>[] = []
    world.on('StreamFills', () => {
      const source = new Source<object>()
      source.push({ snapshot: true, items: [] })
      fills.push(source)
      return source
    })
    const client = await Client.open()
    await client.auth()
    await client.ask({ op: 'subscribe', channel: 'fills' })
    await client.sees({ channel: 'fills', seq: 1 })
    fills[0]?.push({ items: [{ fillId: 'f7' }] })
    await client.sees({ channel: 'fills', seq: 2 })
    fills[0]?.end(new DomainError('unavailable', 'Restarting.'))
    expect(await client.sees({ channel: 'fills', seq: 3 })).toMatchObject({ type: 'snapshot', prev_seq: 2 })
    expect(world.last.request).toMatchObject({ sinceFillId: 'f7' })
  })

  it('stop with the token, say so, and go on with a new one', async () => {
    const orders = streams()
    const client = await Client.open()
    await client.auth({ userId: 'u1', expiresInMs: 4_000 })
    await client.ask({ op: 'subscribe', channel: 'orders' })
    await client.sees({ channel: 'orders', type: 'snapshot' })
    expect(await client.sees({ type: 'error' })).toMatchObject({ code: 'UNAUTHORIZED', channel: 'orders' })
    orders[0]?.push({ items: [{ orderId: 'late' }] })
    expect(await client.ask({ op: 'subscribe', channel: 'balances' })).toMatchObject({ code: 'UNAUTHORIZED' })
    expect(client.frames.some(({ type }) => type === 'order')).toBe(false)
    await client.auth({ userId: 'u1' })
    expect(await client.sees({ channel: 'orders', seq: 2 })).toMatchObject({
      type: 'snapshot',
      items: [{ order_id: 'o1' }],
    })
    expect(client.closed).toBeUndefined()
  })

  it('stop when the session is ended elsewhere', async () => {
    streams()
    const client = await Client.open()
    await client.auth({ sessionId: 'signed-out' })
    await client.ask({ op: 'subscribe', channel: 'orders' })
    await client.sees({ channel: 'orders', type: 'snapshot' })
    world.revoked.add('signed-out')
    await client.sees({ type: 'error', code: 'UNAUTHORIZED', channel: 'orders' })
  })

  it('never show one user what another subscribed to', async () => {
    const orders = streams()
    const client = await Client.open()
    await client.auth({ userId: 'u1' })
    await client.ask({ op: 'subscribe', channel: 'orders' })
    await client.sees({ channel: 'orders', type: 'snapshot' })
    await client.auth({ userId: 'u2' })
    orders[0]?.push({ items: [{ orderId: 'of-u1' }] })
    await client.ask({ op: 'ping' })
    expect(client.frames.some(({ type }) => type === 'order')).toBe(false)
  })
})

describe('messages', () => {
  it.each([
    ['{', 'INVALID_INPUT'],
    ['[]', 'INVALID_INPUT'],
    ['{"op":"shout"}', 'INVALID_INPUT'],
    ['{"op":"ping","extra":1}', 'INVALID_INPUT'],
    ['{"op":"ping","id":{}}', 'INVALID_INPUT'],
    ['{"op":"ping","op":"ping"}', 'INVALID_INPUT'],
    ['{"op":"subscribe","channel":"secrets"}', 'INVALID_INPUT'],
    ['{"op":"subscribe","channel":"ticker"}', 'INVALID_INPUT'],
    ['{"op":"subscribe","channel":"candles","symbol":"BTC-THB","interval":"2m"}', 'INVALID_INPUT'],
    ['{"op":"subscribe","channel":"ticker","symbol":"NO-SUCH"}', 'NOT_FOUND'],
    ['{"op":"subscribe","channel":"ticker","symbol":"../x"}', 'NOT_FOUND'],
    ['{"op":"auth"}', 'INVALID_INPUT'],
  ])('%s is answered with %s, and the connection stays', async (message, code) => {
    const client = await Client.open()
    client.send(message)
    expect(await client.sees({ type: 'error' })).toMatchObject({ code, message: expect.any(String) })
    expect(await client.ask({ op: 'ping' })).toEqual({ type: 'pong', id: expect.any(String) })
  })

  it('repeat the id, a string or a number', async () => {
    const client = await Client.open()
    client.send({ op: 'ping', id: 7 })
    expect(await client.sees({ id: 7 })).toEqual({ type: 'pong', id: 7 })
  })

  it('that are binary are refused, those above 4 KiB end the connection', async () => {
    const client = await Client.open()
    client.socket.send(Buffer.from('{"op":"ping"}'), { binary: true })
    await client.sees({ type: 'error', code: 'INVALID_INPUT' })
    client.send({ op: 'ping', id: 'x'.repeat(5_000) })
    await waitFor(() => client.closed)
    expect(client.closed?.code).toBe(1009)
  })

  it('that flood are refused, then end the connection', async () => {
    const client = await Client.open()
    for (let index = 0; index < 70; index += 1) client.send({ op: 'ping' })
    await client.sees({ type: 'error', code: 'RATE_LIMITED' })
    expect(client.closed).toBeUndefined()
    // A flood is what comes faster than the bucket refills, which takes a slow machine more than one try.
    await waitFor(() => {
      for (let index = 0; index < 200; index += 1) client.send({ op: 'ping' })
      return client.closed
    })
    expect(client.closed?.code).toBe(1008)
  })
})

describe('connections', () => {
  const statusOf = (at: number, headers: Record<string, string> = {}, path = '/v1/marketdata/stream') =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`ws://127.0.0.1:${at}${path}`, { headers })
      socket.on('unexpected-response', (_req, response) => {
        resolve(response.statusCode)
        response.destroy()
      })
      socket.on('open', () => {
        resolve(101)
        socket.terminate()
      })
      socket.on('error', reject)
    })

  it('have bounds: of an address, and of subscriptions', async () => {
    const { port: tight } = await world.gateway({ ...env, BITKA_STREAMS_PER_ADDRESS: '2', BITKA_WS_SUBSCRIPTIONS: '1' })
    const first = await Client.open(tight)
    const second = await Client.open(tight)
    expect(await statusOf(tight)).toBe(429)
    second.socket.close()
    await waitFor(async () => (await statusOf(tight)) === 101)
    const symbol = market()
    await first.ask({ op: 'subscribe', channel: 'orderbook', symbol })
    expect(await first.ask({ op: 'subscribe', channel: 'orderbook', symbol: market() })).toMatchObject({
      code: 'RATE_LIMITED',
    })
    expect(await first.ask({ op: 'subscribe', channel: 'orderbook', symbol })).toMatchObject({ type: 'subscribed' })
  })

  it('are for programs, our own pages, and those of the list', async () => {
    const { port: listed } = await world.gateway({ ...env, BITKA_CORS_ORIGINS: 'https://app.example' })
    expect(await statusOf(listed, { origin: 'https://evil.example' })).toBe(403)
    expect(await statusOf(listed, { origin: 'null' })).toBe(403)
    expect(await statusOf(listed, { origin: 'https://app.example' })).toBe(101)
    expect(await statusOf(listed, { origin: `http://127.0.0.1:${listed}` })).toBe(101)
    expect(await statusOf(listed, {}, '/v1/other')).toBe(404)
  })

  it('that do not answer a ping are closed', async () => {
    // Time enough for the other one to answer, also on a busy machine.
    const { port: watched } = await world.gateway({ ...env, BITKA_WS_PING_MS: '1500' })
    const [alive, dead] = [await Client.open(watched), await Client.open(watched, { autoPong: false })]
    await waitFor(() => dead.closed)
    expect(alive.closed).toBeUndefined()
  })

  it('end with 1001 when the gateway stops', async () => {
    const gateway = await world.gateway(env)
    const client = await Client.open(gateway.port)
    await gateway.stop()
    await waitFor(() => client.closed)
    expect(client.closed?.code).toBe(1001)
  })

  it('need a token for market data that is not public', async () => {
    const { port: closed } = await world.gateway({ ...env, BITKA_PUBLIC_MARKETDATA: 'false' })
    const client = await Client.open(closed)
    const symbol = market()
    expect(await client.ask({ op: 'subscribe', channel: 'orderbook', symbol })).toMatchObject({ code: 'UNAUTHORIZED' })
    await client.auth({ expiresInMs: 4_000 })
    await client.ask({ op: 'subscribe', channel: 'orderbook', symbol })
    await client.sees({ type: 'snapshot' })
    await client.sees({ type: 'error', code: 'UNAUTHORIZED', message: 'The access token has expired.' })
  })
})
