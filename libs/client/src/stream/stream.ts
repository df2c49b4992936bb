import { BitkaApiError } from '../errors.ts'
import { fullJitterMs } from '../http/retry.ts'
import { pause, type TokenSource } from '../http/transport.ts'
import type {
  BalancesFrame,
  BookFrame,
  CandleFrame,
  DataFrame,
  ErrorFrame,
  FillsFrame,
  OrdersFrame,
  TickerFrame,
  TradesFrame,
} from '../types/frames.ts'
import type { CandleInterval } from '../types/markets.ts'
import {
  balancesChannel,
  bookChannel,
  type Channel,
  candlesChannel,
  fillsChannel,
  frameKey,
  ordersChannel,
  tickerChannel,
  tradesChannel,
} from './channels.ts'
import { Connection, errorOf } from './connection.ts'
import { type Deferred, deferred } from './deferred.ts'
import { OrderBook } from './order-book.ts'
import { SignIn } from './sign-in.ts'
import { type OpenWebSocket, openGlobalWebSocket, streamUrl } from './web-socket.ts'

export type StreamOptions = {
  /** Default: the global WebSocket. Node 20 has none: `(url) => new WebSocket(url)` with npm's ws. */
  webSocket?: OpenWebSocket
  /** How often the connection is tried; without an answer in the same time it is opened anew. Default 15 s. */
  pingMs?: number
  /** The upper bound of the first pause before connecting again; it doubles. Default 250 ms, at most 10 s. */
  reconnectMs?: number
}

/** What a program may want to know about the connection itself. */
export type StreamEvents = {
  open: { reconnected: boolean }
  close: { code: number }
  /** A channel lost track and asked for its state again. */
  resync: { channel: string; symbol?: string }
  /** A channel that the server refuses, or an error about none. */
  error: BitkaApiError
}

export type Subscription = {
  /** Resolves when the server has taken the subscription for the first time; rejects when it refuses for good. */
  readonly ready: Promise<void>
  close(): void
}

type Entry = {
  channel: Channel
  ready: Deferred<void>
  /** A subscribe is on its way, or waits for its turn; whoever wants another one leaves it at that. */
  asking: boolean
  failures: number
}

const RECONNECT_MS_MAX = 10_000
/** Answers that another try cannot change. */
const FINAL = new Set(['INVALID_INPUT', 'NOT_FOUND', 'FORBIDDEN', 'UNAUTHORIZED'])

/**
 * The WebSocket of the exchange. It connects by itself, again after each loss, and then subscribes to everything anew. One
 * channel may be subscribed to once.
 */
export class BitkaStream {
  private readonly url: string
  private readonly entries = new Map<string, Entry>()
  private readonly listeners: { [E in keyof StreamEvents]: Set<(event: StreamEvents[E]) => void> } = {
    open: new Set(),
    close: new Set(),
    resync: new Set(),
    error: new Set(),
  }
  private connection: Connection | undefined
  private isOpen = false
  private wasOpen = false
  private ended = false
  private attempt = 0
  private reconnecting: ReturnType<typeof setTimeout> | undefined
  private pinging: ReturnType<typeof setInterval> | undefined
  private latency: number | undefined
  private readonly signIn: SignIn
  /** Ends pauses when the stream is closed. */
  private readonly closing = new AbortController()

  constructor(
    baseUrl: string,
    tokens: TokenSource,
    private readonly options: StreamOptions,
  ) {
    this.url = streamUrl(baseUrl)
    this.signIn = new SignIn(tokens)
    this.connect()
  }

  trades(symbol: string, onFrame: (frame: TradesFrame) => void): Subscription {
    return this.subscribe(tradesChannel(symbol, onFrame))
  }

  ticker(symbol: string, onFrame: (frame: TickerFrame) => void): Subscription {
    return this.subscribe(tickerChannel(symbol, onFrame))
  }

  candles(symbol: string, interval: CandleInterval, onFrame: (frame: CandleFrame) => void): Subscription {
    return this.subscribe(candlesChannel(symbol, interval, onFrame))
  }

  /** Keeps a book. `onChange` sees it after each change, only when it is whole. */
  orderBook(
    symbol: string,
    onChange: (book: OrderBook, frame: BookFrame) => void = () => {},
  ): Subscription & { readonly book: OrderBook } {
    const book = new OrderBook(symbol)
    return Object.assign(this.subscribe(bookChannel(book, onChange)), { book })
  }

  /** The user's orders: a snapshot of the open ones, then each that changes. A snapshot comes again after each loss. */
  orders(onFrame: (frame: OrdersFrame) => void): Subscription {
    return this.subscribe(ordersChannel(onFrame))
  }

  /** The user's fills after `sinceFillId`, then each new one; none is missed between two connections. */
  fills(onFrame: (frame: FillsFrame) => void, options: { sinceFillId?: string } = {}): Subscription {
    return this.subscribe(fillsChannel(options.sinceFillId, onFrame))
  }

  /** The user's balances: a snapshot, then each change. */
  balances(onFrame: (frame: BalancesFrame) => void): Subscription {
    return this.subscribe(balancesChannel(onFrame))
  }

  /** Calls back until the returned function is called. */
  on<E extends keyof StreamEvents>(event: E, listener: (event: StreamEvents[E]) => void): () => void {
    this.listeners[event].add(listener)
    return () => void this.listeners[event].delete(listener)
  }

  get connected(): boolean {
    return this.isOpen
  }

  /** How long the last ping took there and back, in milliseconds. */
  get latencyMs(): number | undefined {
    return this.latency
  }

  /** Asks the server for an answer and measures the way. @throws BitkaApiError */
  async ping(): Promise<number> {
    const { connection } = this
    if (!connection || !this.isOpen) {
      throw new BitkaApiError({ code: 'CONNECTION_FAILED', message: 'The stream is not connected.' })
    }
    const startedMs = performance.now()
    await connection.ask({ op: 'ping' })
    this.latency = performance.now() - startedMs
    return this.latency
  }

  /** Ends the stream for good. */
  close(): void {
    if (this.ended) return
    this.ended = true
    this.closing.abort()
    clearTimeout(this.reconnecting)
    this.connection?.close()
    const error = new BitkaApiError({ code: 'CONNECTION_FAILED', message: 'The stream was closed.' })
    for (const { ready } of this.entries.values()) ready.reject(error)
    this.entries.clear()
  }

  private subscribe(channel: Channel): Subscription {
    if (this.ended) throw new Error('the stream is closed')
    const { key } = channel
    if (this.entries.has(key)) throw new Error(`there is a subscription to ${key.trim()} already`)
    const entry: Entry = { channel, ready: deferred(), asking: false, failures: 0 }
    // Whoever does not wait for it hears of it as an event.
    entry.ready.promise.catch(() => {})
    this.entries.set(key, entry)
    if (this.isOpen) void this.ask(entry)
    return {
      ready: entry.ready.promise,
      close: () => {
        if (this.entries.get(key) !== entry) return
        this.entries.delete(key)
        const { since_fill_id: _, ...topic } = channel.topic()
        if (this.isOpen) this.connection?.ask({ op: 'unsubscribe', ...topic }).catch(() => {})
      },
    }
  }

  private connect(): void {
    const open = this.options.webSocket ?? openGlobalWebSocket
    const connection: Connection = new Connection(open(this.url), {
      onOpen: () => this.onOpen(connection),
      onData: (frame) => this.onData(frame),
      onError: (frame) => this.onError(frame),
      onClose: (code) => this.onClose(code),
    })
    this.connection = connection
  }

  private onOpen(connection: Connection): void {
    this.isOpen = true
    this.attempt = 0
    const { pingMs = 15_000 } = this.options
    let answered = true
    this.pinging = setInterval(() => {
      if (!answered) {
        connection.close()
        return
      }
      answered = false
      this.ping().then(
        () => {
          answered = true
        },
        () => {},
      )
    }, pingMs)
    this.emit('open', { reconnected: this.wasOpen })
    this.wasOpen = true
    for (const entry of this.entries.values()) void this.ask(entry)
  }

  private onClose(code: number): void {
    const wasOpen = this.isOpen
    this.isOpen = false
    this.signIn.forget()
    clearInterval(this.pinging)
    for (const { channel } of this.entries.values()) channel.lost()
    if (wasOpen) this.emit('close', { code })
    if (this.ended) return
    this.attempt += 1
    const { reconnectMs = 250 } = this.options
    this.reconnecting = setTimeout(
      () => this.connect(),
      fullJitterMs(this.attempt, reconnectMs, RECONNECT_MS_MAX, Math.random),
    )
  }

  private onData(frame: DataFrame): void {
    const entry = this.entries.get(frameKey(frame))
    if (entry?.channel.handle(frame) === 'resync') this.resync(entry)
  }

  /** The token of private channels has run out, or the server gave up on a channel. */
  private onError(frame: ErrorFrame): void {
    const entries = [...this.entries.values()].filter(({ channel }) => channel.topic().channel === frame.channel)
    if (frame.code === 'UNAUTHORIZED') this.signIn.forget()
    if (entries.length === 0) this.emit('error', errorOf(frame))
    for (const entry of entries) this.resync(entry)
  }

  private resync(entry: Entry): void {
    const { channel, symbol } = entry.channel.topic()
    this.emit('resync', { channel, symbol })
    entry.channel.lost()
    void this.ask(entry)
  }

  /** Subscribes, or subscribes again, until the server takes it or refuses for good. */
  private async ask(entry: Entry): Promise<void> {
    const { connection } = this
    if (entry.asking || !connection) return
    entry.asking = true
    const current = (): boolean => this.connection === connection && this.isOpen && this.isSubscribed(entry)
    try {
      while (current()) {
        try {
          if (entry.channel.isPrivate) await this.signIn.ensure(connection)
          if (!current()) return
          await connection.ask({ op: 'subscribe', ...entry.channel.topic() })
          entry.failures = 0
          entry.ready.resolve()
          return
        } catch (error) {
          if (!current()) return
          if (!this.mayAskAgain(entry, error)) return
          await this.pauseFor(entry)
        }
      }
    } finally {
      entry.asking = false
      // The connection was replaced while we waited.
      if (this.connection !== connection && this.isOpen && this.isSubscribed(entry)) void this.ask(entry)
    }
  }

  private isSubscribed(entry: Entry): boolean {
    return this.entries.get(entry.channel.key) === entry
  }

  private mayAskAgain(entry: Entry, error: unknown): boolean {
    const refusal =
      error instanceof BitkaApiError
        ? error
        : new BitkaApiError({ code: 'CONNECTION_FAILED', message: 'A subscription failed.' }, { cause: error })
    entry.failures += 1
    // Once more with a new token: the old one may just have run out.
    if (refusal.code === 'UNAUTHORIZED') this.signIn.forget()
    if (!FINAL.has(refusal.code) || (refusal.code === 'UNAUTHORIZED' && entry.failures === 1)) return true
    this.entries.delete(entry.channel.key)
    entry.ready.reject(refusal)
    this.emit('error', refusal)
    return false
  }

  private pauseFor(entry: Entry): Promise<void> {
    const { reconnectMs = 250 } = this.options
    const ms = fullJitterMs(entry.failures, reconnectMs, RECONNECT_MS_MAX, Math.random)
    return pause(ms, this.closing.signal).catch(() => {})
  }

  private emit<E extends keyof StreamEvents>(event: E, content: StreamEvents[E]): void {
    for (const listener of this.listeners[event]) listener(content)
  }
}
