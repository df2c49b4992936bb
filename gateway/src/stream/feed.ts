import { DomainError, type Logger, newId } from '@bitka/kernel'
import type { CallOptions, Client } from '@bitka/mesh'
import {
  type CandleInterval,
  CandleSchema,
  type MarketDataService,
  type StreamBookResponse,
  type StreamCandlesResponse,
  type StreamTickersResponse,
  type StreamTradesResponse,
  TickerSchema,
  TickSchema,
} from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { encodeMessage } from '../rest/encode.ts'
import { Book } from './book.ts'
import { bookSnapshot, bookUpdate, items, latest } from './events.ts'
import { follow } from './follow.ts'
import type { FeedEvent } from './frame.ts'

export const publicChannels = ['orderbook', 'trades', 'ticker', 'candles'] as const
type PublicChannel = (typeof publicChannels)[number]

/** What a public subscription is to. */
export type Topic = { symbol: string } & (
  | { channel: Exclude<PublicChannel, 'candles'> }
  | { channel: 'candles'; interval: string; intervalValue: CandleInterval }
)

export const topicKey = (topic: Topic): string =>
  `${topic.channel} ${topic.symbol}${topic.channel === 'candles' ? ` ${topic.interval}` : ''}`

export type MarketData = Client<typeof MarketDataService>
export type Listener = (event: FeedEvent) => void

/** How long a feed without readers is kept, so that a page that reloads does not open it anew. */
const LINGER_MS = 5_000

/** One stream of market-data for all who listen to it. */
export class Feed {
  private readonly listeners = new Set<Listener>()
  private readonly controller = new AbortController()
  private lingering: NodeJS.Timeout | undefined
  private book: Book | undefined
  private newest: FeedEvent | undefined

  constructor(
    private readonly topic: Topic,
    private readonly marketData: MarketData,
    private readonly log: Logger,
    private readonly onIdle: () => void,
  ) {
    void this.start().catch((error) => log.error({ err: error, topic: topicKey(topic) }, 'a feed ended'))
  }

  /** Adds a reader and shows it what there is already. */
  join(listener: Listener): () => void {
    clearTimeout(this.lingering)
    this.listeners.add(listener)
    this.resync(listener)
    return () => this.leave(listener)
  }

  /** The state now, for a reader that lost track. */
  resync(listener: Listener): void {
    if (this.book) listener(bookSnapshot(this.book))
    else if (this.newest) listener(this.newest)
  }

  stop(): void {
    clearTimeout(this.lingering)
    this.controller.abort()
  }

  private leave(listener: Listener): void {
    this.listeners.delete(listener)
    if (this.listeners.size > 0) return
    this.lingering = setTimeout(this.onIdle, LINGER_MS)
    this.lingering.unref()
  }

  private start(): Promise<void> {
    const { marketData, topic, log } = this
    const { symbol } = topic
    const { signal } = this.controller
    const common = { name: topicKey(topic), signal, log }
    const call = (): CallOptions => ({ ctx: { requestId: newId() }, signal })
    switch (topic.channel) {
      case 'orderbook':
        return follow({
          ...common,
          open: () => marketData.streamBook({ symbol }, call()),
          onMessage: (message) => this.onBook(message),
        })
      case 'trades':
        return follow({
          ...common,
          open: () => marketData.streamTrades({ symbol }, call()),
          onMessage: (message) => this.publish(tradesEvent(symbol, message)),
        })
      case 'ticker':
        return follow({
          ...common,
          open: () => marketData.streamTickers({ symbol }, call()),
          onMessage: (message) => this.replace(tickerEvent(message)),
        })
      case 'candles':
        return follow({
          ...common,
          open: () => marketData.streamCandles({ symbol, interval: topic.intervalValue }, call()),
          onMessage: (message) => this.replace(candleEvent(symbol, topic.interval, message)),
        })
    }
  }

  private onBook({ body }: StreamBookResponse): void {
    if (body.case === 'snapshot') {
      this.book = new Book(body.value)
      this.publish(bookSnapshot(this.book))
    } else if (body.case === 'update') {
      const { book } = this
      if (book && Number(body.value.seq) <= book.seq) return
      const changes = book?.apply(body.value)
      // A new stream begins with a snapshot, which closes the gap.
      if (!book || !changes) throw new DomainError('unavailable', 'The book stream has a gap.')
      this.publish(bookUpdate(book, changes))
    }
  }

  /** What replaces the state before is also shown to those who join later. */
  private replace(event: FeedEvent | undefined): void {
    if (!event) return
    this.newest = event
    this.publish(event)
  }

  private publish(event: FeedEvent): void {
    for (const listener of this.listeners) listener(event)
  }
}

const now = (): string => new Date().toISOString()

function tradesEvent(symbol: string, message: StreamTradesResponse): FeedEvent {
  const ticks = message.items.map((tick) => encodeMessage(TickSchema, tick))
  return items({ channel: 'trades', type: 'trade', symbol, items: ticks, timestamp: ticks.at(-1)?.timestamp ?? now() })
}

function tickerEvent({ ticker }: StreamTickersResponse): FeedEvent | undefined {
  if (!ticker) return undefined
  const encoded = encodeMessage(TickerSchema, ticker)
  return latest('', { channel: 'ticker', type: 'ticker', timestamp: now(), ...encoded })
}

function candleEvent(symbol: string, interval: string, message: StreamCandlesResponse): FeedEvent | undefined {
  if (!message.candle) return undefined
  const candle = encodeMessage(CandleSchema, message.candle)
  const content = { symbol, interval, candle, closed: message.closed, timestamp: now() }
  // The close of one candle and the start of the next are two things to know.
  return latest(String(candle.start_time), { channel: 'candles', type: 'candle', ...content })
}
