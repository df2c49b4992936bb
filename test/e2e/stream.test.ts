import { bookChecksum, createBitkaClient } from '@bitka/client'
import { waitFor } from '@bitka/testkit'
import { WebSocket } from 'ws'
import { TestExchange, type TestMarket } from './exchange.ts'
import { Person } from './person.ts'
import { type Body, call, essence, refusal, sentence, time, uuid } from './rest.ts'

let exchange: TestExchange
let alice: Person
let bob: Person
let market: TestMarket
const openSockets: Talk[] = []
beforeAll(async () => {
  exchange = await TestExchange.start()
  alice = await exchange.person('alice')
  bob = await exchange.person('bob')
}, 120_000)
beforeEach(async () => {
  market = await exchange.market()
  await exchange.fund(alice, '10000 THB')
  await exchange.fund(bob, `100 ${market.base}`)
})
afterEach(() => {
  for (const talk of openSockets.splice(0)) talk.socket.close()
})
afterAll(() => exchange?.stop())

/** A connection, and everything that the server has said on it. */
class Talk {
  readonly frames: Body[] = []
  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data) => this.frames.push(JSON.parse(data.toString())))
  }

  static async open(): Promise<Talk> {
    const socket = new WebSocket(`${exchange.url.replace('http', 'ws')}/v1/marketdata/stream`)
    const talk = new Talk(socket)
    openSockets.push(talk)
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    return talk
  }

  say(message: unknown): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  /** Says something with an id and waits for its answer. */
  async ask(message: Record<string, unknown>): Promise<Body> {
    const id = `q${this.frames.length}-${Math.round(performance.now())}`
    this.say({ ...message, id })
    return await waitFor(() => this.frames.find((frame) => frame.id === id))
  }

  async authenticate(person: Person): Promise<void> {
    expect(await this.ask({ op: 'auth', token: person.token })).toEqual({
      type: 'authenticated',
      id: expect.anything(),
    })
  }

  /** The data frames of a channel so far. */
  of(channel: string): Body[] {
    return this.frames.filter((frame) => frame.channel === channel && 'timestamp' in frame)
  }
}

const level = (price: string, quantity: string) => ({ price, quantity })

describe('answers', () => {
  it('repeat the id, a word or a number', async () => {
    const talk = await Talk.open()
    talk.say({ op: 'ping', id: 7 })
    talk.say({ op: 'ping', id: 'seven' })
    talk.say({ op: 'ping' })
    await waitFor(() => talk.frames.length === 3)
    expect(talk.frames).toEqual([{ type: 'pong', id: 7 }, { type: 'pong', id: 'seven' }, { type: 'pong' }])
  })

  it('to a subscription name its place', async () => {
    const talk = await Talk.open()
    const { symbol } = market
    const id = expect.anything()
    for (const channel of ['orderbook', 'trades', 'ticker']) {
      expect(await talk.ask({ op: 'subscribe', channel, symbol })).toEqual({ type: 'subscribed', id, channel, symbol })
      expect(await talk.ask({ op: 'unsubscribe', channel, symbol })).toEqual({
        type: 'unsubscribed',
        id,
        channel,
        symbol,
      })
    }
    const candles = { channel: 'candles', symbol, interval: '1m' }
    expect(await talk.ask({ op: 'subscribe', ...candles })).toEqual({ type: 'subscribed', id, ...candles })
  })

  test.each([
    ['{"op":', 'INVALID_INPUT'],
    ['[]', 'INVALID_INPUT'],
    [{ op: 'dance' }, 'INVALID_INPUT'],
    [{ op: 'subscribe', channel: 'gossip' }, 'INVALID_INPUT'],
    [{ op: 'subscribe', channel: 'trades' }, 'INVALID_INPUT'],
    [{ op: 'subscribe', channel: 'candles', symbol: 'BTC-THB', interval: '2m' }, 'INVALID_INPUT'],
    [{ op: 'subscribe', channel: 'trades', symbol: 'NO-PE' }, 'NOT_FOUND'],
    [{ op: 'subscribe', channel: 'orders' }, 'UNAUTHORIZED'],
    [{ op: 'auth', token: 'nonsense' }, 'UNAUTHORIZED'],
    [{ op: 'auth' }, 'INVALID_INPUT'],
    [{ op: 'ping', colour: 'blue' }, 'INVALID_INPUT'],
  ])('%j is refused, and the connection goes on', async (message, code) => {
    const talk = await Talk.open()
    talk.say(message)
    await waitFor(() => talk.frames.length === 1)
    const { details, ...frame } = talk.frames[0]
    expect(frame).toEqual({ type: 'error', code, message: sentence })
    expect(await talk.ask({ op: 'ping' })).toMatchObject({ type: 'pong' })
  })

  it('a plain request to its address is told so', async () => {
    const path = '/v1/marketdata/stream'
    expect(essence(await call(exchange.url, 'GET', path))).toEqual(refusal('INVALID_INPUT', path))
  })
})

describe('public channels', () => {
  it('orderbook: a snapshot, then numbered changes with a checksum', async () => {
    const { symbol } = market
    const talk = await Talk.open()
    await talk.ask({ op: 'subscribe', channel: 'orderbook', symbol })
    await waitFor(() => talk.of('orderbook').length === 1)
    await alice.order('buy', symbol, '2', '99')
    await bob.order('sell', symbol, '3', '101.5')
    await bob.order('sell', symbol, '0.5', '99')
    await waitFor(
      () =>
        talk.of('orderbook').at(-1)?.checksum === bookChecksum([level('101.50', '3.0000')], [level('99.00', '1.5000')]),
    )
    const [snapshot, ...updates] = talk.of('orderbook')
    const book = { channel: 'orderbook', symbol, checksum: expect.any(Number), timestamp: time }
    expect(snapshot).toEqual({ ...book, type: 'snapshot', seq: snapshot.seq, bids: [], asks: [], checksum: 0 })
    const change = (side: string, price: string, quantity: string) => ({ side, price, quantity })
    const { seq } = snapshot
    expect(updates).toEqual([
      { ...book, type: 'update', prev_seq: seq, seq: seq + 1, changes: [change('bid', '99.00', '2.0000')] },
      { ...book, type: 'update', prev_seq: seq + 1, seq: seq + 2, changes: [change('ask', '101.50', '3.0000')] },
      { ...book, type: 'update', prev_seq: seq + 2, seq: seq + 3, changes: [change('bid', '99.00', '1.5000')] },
    ])
    await talk.ask({ op: 'subscribe', channel: 'orderbook', symbol })
    await waitFor(() => talk.of('orderbook').length === 5)
    expect(talk.of('orderbook').at(-1)).toEqual({
      ...book,
      type: 'snapshot',
      seq: seq + 3,
      bids: [level('99.00', '1.5000')],
      asks: [level('101.50', '3.0000')],
    })
  })

  it('trades, ticker and candles follow a trade', async () => {
    const { symbol } = market
    const talk = await Talk.open()
    await talk.ask({ op: 'subscribe', channel: 'trades', symbol })
    await talk.ask({ op: 'subscribe', channel: 'ticker', symbol })
    await talk.ask({ op: 'subscribe', channel: 'candles', symbol, interval: '1m' })
    // A stream of trades begins with silence; the ticker, which is asked for after it, does not.
    await waitFor(() => talk.of('ticker').length > 0)
    await alice.order('buy', symbol, '2', '99')
    await bob.order('sell', symbol, '0.5', '99')
    await waitFor(() => talk.of('trades').length > 0 && talk.of('candles').length > 0)
    await waitFor(() => talk.of('ticker').at(-1)?.last === '99')
    const tick = { trade_id: expect.any(String), symbol, price: '99', quantity: '0.5', side: 'sell', timestamp: time }
    expect(talk.of('trades')).toEqual([{ channel: 'trades', type: 'trade', symbol, items: [tick], timestamp: time }])
    const candle = {
      symbol,
      interval: '1m',
      open: '99',
      high: '99',
      low: '99',
      close: '99',
      volume: '0.5',
      start_time: time,
      end_time: time,
    }
    const place = { channel: 'candles', type: 'candle', symbol, interval: '1m', timestamp: time }
    expect(talk.of('candles')[0]).toEqual({ ...place, candle, closed: false })
    await waitFor(() => talk.of('ticker').at(-1)?.bid === '99')
    expect(talk.of('ticker').at(-1)).toEqual({
      channel: 'ticker',
      type: 'ticker',
      symbol,
      last: '99',
      bid: '99',
      open_24h: '99',
      high_24h: '99',
      low_24h: '99',
      volume_24h: '0.5',
      change_24h: expect.stringMatching(/^0(\.00)?$/),
      timestamp: time,
    })
  })

  it('say nothing more after unsubscribe', async () => {
    const { symbol } = market
    const talk = await Talk.open()
    await talk.ask({ op: 'subscribe', channel: 'orderbook', symbol })
    await waitFor(() => talk.of('orderbook').length === 1)
    await talk.ask({ op: 'unsubscribe', channel: 'orderbook', symbol })
    await alice.order('buy', symbol, '1', '99')
    const other = await Talk.open()
    await other.ask({ op: 'subscribe', channel: 'orderbook', symbol })
    // The order is in the snapshot, or in the update after it.
    await waitFor(() => {
      const newest = other.of('orderbook').at(-1)
      return newest?.bids?.length === 1 || newest?.changes?.length === 1
    })
    expect(talk.of('orderbook')).toHaveLength(1)
  })
})

describe('private channels', () => {
  it('orders, fills and balances: a snapshot, then every change, numbered', async () => {
    const { symbol } = market
    const dave = await exchange.person('dave')
    await exchange.fund(dave, '1000 THB')
    const { order_id } = await dave.order('buy', symbol, '2', '100')
    const talk = await Talk.open()
    await talk.authenticate(dave)
    for (const channel of ['orders', 'fills', 'balances']) {
      expect(await talk.ask({ op: 'subscribe', channel })).toEqual({
        type: 'subscribed',
        id: expect.anything(),
        channel,
      })
      await waitFor(() => talk.of(channel).length === 1)
    }
    const head = (channel: string, type: string, seq: number) => ({
      channel,
      type,
      seq,
      prev_seq: seq - 1,
      timestamp: time,
    })
    const [orders] = talk.of('orders')
    expect(orders).toEqual({ ...head('orders', 'snapshot', 1), items: expect.any(Array) })
    const open = orders.items.find((order: Body) => order.order_id === order_id)
    expect(open).toMatchObject({ order_id, symbol, status: 'open', fills: [] })
    expect(talk.of('fills')).toEqual([{ ...head('fills', 'snapshot', 1), items: [] }])
    const { id: account_id } = await dave.account('THB')
    const [balances] = talk.of('balances')
    expect(balances).toEqual({ ...head('balances', 'snapshot', 1), items: expect.any(Array) })
    const thb = balances.items.find((balance: Body) => balance.account_id === account_id)
    expect(thb).toEqual({
      account_id,
      asset: 'THB',
      available: expect.any(String),
      locked: '200',
      version: expect.any(Number),
    })

    await bob.order('sell', symbol, '0.5', '100')
    await waitFor(() => talk.of('orders').length > 1 && talk.of('fills').length > 1)
    const fill = {
      fill_id: expect.any(String),
      trade_id: expect.any(String),
      price: '100',
      quantity: '0.5',
      quote_amount: '50',
      fee: '0.0005',
      fee_asset: market.base,
      liquidity: 'maker',
      timestamp: time,
    }
    const { order } = talk.of('orders')[1]
    expect(talk.of('orders')[1]).toEqual({ ...head('orders', 'order', 2), order })
    expect(order).toEqual({
      ...open,
      filled_quantity: '0.5',
      remaining_quantity: '1.5',
      status: 'partially_filled',
      fills: [fill],
      updated_at: time,
      revision: expect.any(Number),
    })
    expect(order.revision).toBeGreaterThan(open.revision)
    expect(talk.of('fills')[1]).toEqual({ ...head('fills', 'fill', 2), order_id, symbol, side: 'buy', fill })
    await waitFor(() =>
      talk.of('balances').some((frame) => frame.asset === market.base && frame.available === '0.4995'),
    )
    await waitFor(() => talk.of('balances').some((frame) => frame.asset === 'THB' && frame.locked === '150'))
    const numbers = talk.of('balances').map(({ seq, prev_seq }) => [prev_seq, seq])
    expect(numbers).toEqual(numbers.map((_, index) => [index, index + 1]))
    const change = talk.of('balances').find((frame) => frame.asset === market.base && frame.type === 'balance')
    expect(change).toEqual({
      channel: 'balances',
      type: 'balance',
      seq: expect.any(Number),
      prev_seq: expect.any(Number),
      account_id: uuid,
      asset: market.base,
      available: '0.4995',
      locked: '0',
      version: expect.any(Number),
      timestamp: time,
    })
    await dave.delete(`/v1/orders/${order_id}`)
  })

  it('fills go on after the one that the client names', async () => {
    const { symbol } = market
    const carol = await exchange.person('carol')
    await exchange.fund(carol, '1000 THB')
    for (const quantity of ['1', '2', '3']) {
      await carol.order('buy', symbol, quantity, '10')
      await bob.order('sell', symbol, quantity, '10')
    }
    const { items } = (await carol.get('/v1/fills')).body.data
    const talk = await Talk.open()
    await talk.authenticate(carol)
    await talk.ask({ op: 'subscribe', channel: 'fills', since_fill_id: items.at(-1).fill_id })
    await waitFor(() => talk.of('fills').length === 1)
    expect(talk.of('fills')[0].items).toEqual([items[1], items[0]])
  })

  it('belong to the user of the token only', async () => {
    const talk = await Talk.open()
    await talk.authenticate(bob)
    await talk.ask({ op: 'subscribe', channel: 'orders' })
    await waitFor(() => talk.of('orders').length === 1)
    await alice.order('buy', market.symbol, '1', '1')
    await bob.order('sell', market.symbol, '1', '500')
    await waitFor(() => talk.of('orders').length > 1)
    for (const frame of talk.of('orders').slice(1)) expect(frame.order.side).toBe('sell')
  })

  it('stop when the session ends, until there is a new token', async () => {
    const session = await Person.signIn(exchange.url, bob.username, bob.password)
    const talk = await Talk.open()
    await talk.authenticate(session)
    await talk.ask({ op: 'subscribe', channel: 'balances' })
    await waitFor(() => talk.of('balances').length === 1)
    await session.post('/v1/auth/logout')
    const error = { type: 'error', channel: 'balances', code: 'UNAUTHORIZED', message: sentence }
    await waitFor(() => talk.frames.find((frame) => frame.type === 'error'))
    expect(talk.frames.find((frame) => frame.type === 'error')).toEqual(error)
    await talk.authenticate(bob)
    await waitFor(() => talk.of('balances').length === 2)
    expect(talk.of('balances')[1]).toMatchObject({ type: 'snapshot' })
  })
})

it('the client library keeps a checked book and hears of its own fills', async () => {
  const { symbol } = market
  const client = createBitkaClient({
    baseUrl: exchange.url,
    credentials: { identifier: alice.username, password: alice.password },
  })
  const stream = client.connectStream({ webSocket: (url) => new WebSocket(url) })
  try {
    const resyncs: unknown[] = []
    stream.on('resync', (event) => resyncs.push(event))
    const filled: string[] = []
    const { book, ready } = stream.orderBook(symbol)
    await ready
    await stream.fills((frame) => {
      if (frame.type === 'fill') filled.push(frame.fill.quantity)
    }).ready
    for (const [index, price] of ['90', '95', '99', '100'].entries()) {
      const order = { symbol, side: 'buy', type: 'limit', price, quantity: `${index + 1}` } as const
      await client.orders.create(order, { waitSeconds: 5 })
    }
    await bob.order('sell', symbol, '5.5', '99')
    await waitFor(() => filled.length === 2)
    await waitFor(() => book.bestBid?.quantity === '1.5000')
    expect(filled).toEqual(['4', '1.5'])
    expect(book.bids).toEqual([level('99.00', '1.5000'), level('95.00', '2.0000'), level('90.00', '1.0000')])
    expect(resyncs).toEqual([])
    expect(await stream.ping()).toBeGreaterThan(0)
  } finally {
    stream.close()
  }
})
