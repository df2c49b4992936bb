import type { CandleInterval } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import type { Book, BookUpdate } from '../domain/book.ts'
import type { Candle } from '../domain/candle.ts'
import { intervalOf, intervals } from '../domain/interval.ts'
import { type Market, type Notation, notationOf } from '../domain/market.ts'
import type { Delta, Position, Trade } from '../domain/results.ts'
import type { Summary } from '../domain/ticker.ts'
import { Channel } from './channel.ts'

/** A candle as a stream shows it. */
export type CandleEvent = { candle: Candle; closed: boolean }

export type TickerEvent = { summary: Summary; bid?: number; ask?: number; timeMs: number }

/** A delta with the candles that it led to, as they are after it. */
export type AppliedDelta = Delta & { candles: readonly Candle[] }

/** What a market's rows say, to begin a view from. */
export type MarketState = { market: Market; position: Position; book: Book; newest: readonly Candle[] }

/**
 * How long after its end a candle is called closed, in milliseconds: its last trades still travel from the engine to here.
 * One that comes even later is sent again, corrected.
 */
export const CLOSE_GRACE_MS = 500

/** The newest event is all that a slow reader of candles needs of one candle. */
const mergeCandles = (waiting: CandleEvent, next: CandleEvent): CandleEvent | undefined =>
  waiting.candle.startMs === next.candle.startMs ? next : undefined

/** One market as it is now, in memory, and whoever follows it. Everything here can be made again from the rows. */
export class MarketView {
  readonly updates: Channel<BookUpdate>
  readonly trades: Channel<readonly Trade[]>
  readonly tickers: Channel<TickerEvent>
  readonly candles: ReadonlyMap<CandleInterval, Channel<CandleEvent>>
  /** The ticker has to be computed again. */
  isTickerStale = true
  private state: Omit<MarketState, 'newest'>
  private scale: Notation
  private newest: Map<CandleInterval, CandleEvent>

  constructor(state: MarketState, nowMs: number, capacity: number) {
    this.state = state
    this.scale = notationOf(state.market)
    this.newest = toNewest(state.newest, nowMs)
    this.updates = new Channel({ capacity })
    this.trades = new Channel({ capacity })
    this.tickers = new Channel({ capacity: 1, merge: (_, next) => next })
    this.candles = new Map(intervals.map(({ code }) => [code, new Channel({ capacity, merge: mergeCandles })]))
  }

  get market(): Market {
    return this.state.market
  }

  get position(): Position {
    return this.state.position
  }

  get book(): Book {
    return this.state.book
  }

  /** Writes the market's prices and quantities. */
  get notation(): Notation {
    return this.scale
  }

  newestCandle(interval: CandleInterval): CandleEvent | undefined {
    return this.newest.get(interval)
  }

  /** Answers false, and does nothing, when the delta does not follow what is here. */
  apply({ from, to, market, trades, updates, candles }: AppliedDelta): boolean {
    const { book } = this.state
    if (from.resultNumber !== this.position.resultNumber || from.bookSeq !== book.seq) return false
    const { bestBid, bestAsk } = book
    this.state = { market: market ?? this.market, position: to, book }
    if (market) this.scale = notationOf(market)
    for (const update of updates) {
      book.apply(update)
      this.updates.publish(update)
    }
    if (trades.length > 0) this.trades.publish(trades)
    for (const candle of candles) this.showCandle(candle)
    if (trades.length > 0 || book.bestBid !== bestBid || book.bestAsk !== bestAsk) this.isTickerStale = true
    return true
  }

  /** Closes the candles whose time is over, also without a later trade. */
  closeDue(nowMs: number): void {
    for (const event of this.newest.values()) if (!event.closed && isOver(event.candle, nowMs)) this.close(event)
  }

  /** Begins again from the rows; streams cannot go on. */
  reset(state: MarketState, nowMs: number, error: Error): void {
    this.state = state
    this.scale = notationOf(state.market)
    this.newest = toNewest(state.newest, nowMs)
    this.isTickerStale = true
    for (const channel of [this.updates, this.trades, ...this.candles.values()]) channel.fail(error)
  }

  private showCandle(candle: Candle): void {
    const known = this.newest.get(candle.interval)
    // A trade in a later candle ends the one before, whatever the clock says.
    if (known && !known.closed && known.candle.startMs < candle.startMs) this.close(known)
    const closed = known?.closed === true && known.candle.startMs === candle.startMs
    const event = { candle, closed }
    this.newest.set(candle.interval, event)
    this.candles.get(candle.interval)?.publish(event)
  }

  private close({ candle }: CandleEvent): void {
    const event = { candle, closed: true }
    this.newest.set(candle.interval, event)
    this.candles.get(candle.interval)?.publish(event)
  }
}

const isOver = ({ interval, startMs }: Candle, nowMs: number): boolean =>
  startMs + (intervalOf(interval)?.ms ?? 0) + CLOSE_GRACE_MS <= nowMs

const toNewest = (candles: readonly Candle[], nowMs: number): Map<CandleInterval, CandleEvent> =>
  new Map(candles.map((candle) => [candle.interval, { candle, closed: isOver(candle, nowMs) }]))
