import { waitFor } from '@bitka/testkit'
import { WebSocket } from 'ws'
import {
  type BitkaApiError,
  type BitkaStream,
  bookChecksum,
  createBitkaClient,
  memoryTokens,
  type StreamOptions,
} from '../src/index.ts'
import { fakeFetch, ok, pairOf } from './fake-api.ts'
import { FakeStream } from './fake-stream.ts'

const symbol = 'BTC-THB'
const timestamp = '2026-01-31T00:00:00.000Z'
const bids = [{ price: '99.00', quantity: '2.0' }]
const asks = [{ price: '101.00', quantity: '1.0' }]
const checksum = bookChecksum(asks, bids)
const snapshot = (seq: number) =>
  ({ channel: 'orderbook', type: 'snapshot', symbol, seq, bids, asks, checksum, timestamp }) as const
const update = (prev_seq: number, seq: number, sum = checksum) =>
  ({ channel: 'orderbook', type: 'update', symbol, prev_seq, seq, changes: [], checksum: sum, timestamp }) as const

let server: FakeStream
let stream: BitkaStream
beforeEach(async () => {
  server = await FakeStream.start()
})
afterEach(async () => {
  stream.close()
  await server.stop()
})

function open(options: StreamOptions = {}): BitkaStream {
  const { fetch } = fakeFetch(() => ok(pairOf(2)))
  const client = createBitkaClient({ baseUrl: server.baseUrl, fetch, tokens: memoryTokens(pairOf(1)) })
  stream = client.connectStream({ webSocket: (url) => new WebSocket(url), reconnectMs: 5, ...options })
  return stream
}

describe('a book', () => {
  it('is asked for again after a gap, and shown only when it is whole', async () => {
    server.onSubscribe = () => [snapshot(10 * server.said.length)]
    const seen: number[] = []
    const resyncs: unknown[] = []
    open().on('resync', (event) => resyncs.push(event))
    const { book, ready } = stream.orderBook(symbol, ({ seq }) => seen.push(seq))
    await ready
    await waitFor(() => book.synced)
    server.send(update(10, 11))
    server.send(update(12, 13))
    server.send(update(13, 14))
    await waitFor(() => book.seq === 20)
    server.send(update(20, 22))
    await waitFor(() => book.seq === 22)
    expect(seen).toEqual([10, 11, 20, 22])
    expect(resyncs).toEqual([{ channel: 'orderbook', symbol }])
    expect(server.ops()).toEqual(['subscribe orderbook', 'subscribe orderbook'])
  })

  it('is asked for again after a wrong checksum', async () => {
    server.onSubscribe = () => [snapshot(10 * server.said.length)]
    const { book } = open().orderBook(symbol)
    await waitFor(() => book.seq === 10)
    server.send(update(10, 11, 1))
    await waitFor(() => book.seq === 20 && book.synced)
    expect(server.ops()).toEqual(['subscribe orderbook', 'subscribe orderbook'])
  })
})

describe('a lost connection', () => {
  it('is opened again, with everything subscribed anew', async () => {
    server.onSubscribe = ({ channel }) => (channel === 'orderbook' ? [snapshot(server.said.length)] : [])
    const events: string[] = []
    open()
    stream.on('open', ({ reconnected }) => events.push(reconnected ? 'reopened' : 'opened'))
    stream.on('close', () => events.push('closed'))
    const { book } = stream.orderBook(symbol)
    const trades = stream.trades(symbol, () => {})
    await trades.ready
    await waitFor(() => book.synced)
    server.drop()
    await waitFor(() => server.said.length === 4 && book.synced)
    expect(events).toEqual(['opened', 'closed', 'reopened'])
    expect(server.ops().slice(2)).toEqual(['subscribe orderbook', 'subscribe trades'])
  })

  it('is noticed when pings have no answer', async () => {
    open({ pingMs: 20 })
    await waitFor(() => stream.latencyMs !== undefined)
    // On a busy machine it may have been late for one of the answers before, and have opened another.
    const before = server.sockets.length
    server.sockets.at(-1)?.removeAllListeners('message')
    await waitFor(() => server.sockets.length > before)
  })
})

describe('private channels', () => {
  const order = (seq: number, prev_seq: number) => ({
    channel: 'orders',
    type: 'order',
    seq,
    prev_seq,
    order: { n: seq },
  })

  it('sign in first, and begin anew when a frame is missing', async () => {
    server.onSubscribe = () => [{ channel: 'orders', type: 'snapshot', seq: 1, prev_seq: 0, items: [] }]
    const types: string[] = []
    await open().orders(({ type, seq }) => types.push(`${type} ${seq}`)).ready
    server.send(order(2, 1))
    server.send(order(4, 3))
    await waitFor(() => types.length === 3)
    expect(types).toEqual(['snapshot 1', 'order 2', 'snapshot 1'])
    expect(server.ops()).toEqual(['auth', 'subscribe orders', 'subscribe orders'])
    expect(server.said[0]?.token).toBe(pairOf(1).access_token)
  })

  it('sign in once for all of them, and again on the next connection', async () => {
    open()
    await Promise.all([stream.orders(() => {}).ready, stream.balances(() => {}).ready])
    expect(server.ops()).toEqual(['auth', 'subscribe orders', 'subscribe balances'])
    server.drop()
    await waitFor(() => server.said.length === 6)
    expect(server.ops().slice(3)).toEqual(['auth', 'subscribe orders', 'subscribe balances'])
  })

  it('go on with a new token when the old one has run out', async () => {
    server.refuse = ({ op, token }) =>
      op === 'auth' && token === pairOf(1).access_token ? { code: 'UNAUTHORIZED', message: 'Old.' } : undefined
    await open().balances(() => {}).ready
    expect(server.said.map(({ op, token }) => [op, token])).toEqual([
      ['auth', pairOf(1).access_token],
      ['auth', pairOf(2).access_token],
      ['subscribe', undefined],
    ])
    server.send({ type: 'error', channel: 'balances', code: 'UNAUTHORIZED', message: 'The access token has expired.' })
    await waitFor(() => server.said.length === 5)
    expect(server.ops().slice(3)).toEqual(['auth', 'subscribe balances'])
  })

  it('fills go on after the last one seen', async () => {
    const fill = { channel: 'fills', type: 'fill', seq: 2, prev_seq: 1, order_id: 'o', symbol, side: 'buy' }
    server.onSubscribe = () => [{ channel: 'fills', type: 'snapshot', seq: 1, prev_seq: 0, items: [] }]
    const seen: string[] = []
    await open().fills(({ type }) => seen.push(type), { sinceFillId: 'f1' }).ready
    server.send({ ...fill, fill: { fill_id: 'f2' } })
    await waitFor(() => seen.length === 2)
    server.drop()
    await waitFor(() => server.said.length === 4)
    expect(server.ops()).toEqual(['auth', 'subscribe fills f1', 'auth', 'subscribe fills f2'])
  })
})

describe('a subscription', () => {
  it('that is refused for good says so and is given up', async () => {
    server.refuse = () => ({ code: 'NOT_FOUND', message: 'There is no such market.' })
    const errors: BitkaApiError[] = []
    open().on('error', (error) => errors.push(error))
    await expect(stream.trades('NO-PE', () => {}).ready).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(errors.map(({ code }) => code)).toEqual(['NOT_FOUND'])
  })

  it('that is refused for now is asked for again', async () => {
    server.refuse = () => (server.said.length < 3 ? { code: 'UNAVAILABLE', message: 'Not now.' } : undefined)
    await open().trades(symbol, () => {}).ready
    expect(server.ops()).toEqual(['subscribe trades', 'subscribe trades', 'subscribe trades'])
  })

  it('ends when it is closed, and may begin again', async () => {
    const first = open().ticker(symbol, () => {})
    await first.ready
    expect(() => stream.ticker(symbol, () => {})).toThrow('already')
    first.close()
    await stream.ticker(symbol, () => {}).ready
    expect(server.ops()).toEqual(['subscribe ticker', 'unsubscribe ticker', 'subscribe ticker'])
  })
})
