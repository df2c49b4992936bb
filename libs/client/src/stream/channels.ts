import type {
  BalancesFrame,
  BookFrame,
  CandleFrame,
  DataFrame,
  FillsFrame,
  OrdersFrame,
  TickerFrame,
  TradesFrame,
} from '../types/frames.ts'
import type { CandleInterval } from '../types/markets.ts'
import type { OrderBook } from './order-book.ts'

/** What a subscription says to the server. */
export type Topic = {
  channel: DataFrame['channel']
  symbol?: string
  interval?: string
  since_fill_id?: string
}

/** `resync`: the state was lost and has to be asked for again. */
export type Outcome = 'ok' | 'resync'

/** The state of one subscription: it takes frames and says when it has lost track. */
export type Channel = {
  readonly key: string
  readonly isPrivate: boolean
  /** What to subscribe with now. */
  topic(): Topic
  handle(frame: DataFrame): Outcome
  /** The connection is gone, or a snapshot was asked for. */
  lost(): void
}

export const topicKey = ({ channel, symbol = '', interval = '' }: Topic): string => `${channel} ${symbol} ${interval}`

export const frameKey = (frame: DataFrame): string =>
  topicKey({
    channel: frame.channel,
    // Frames of private channels may name a symbol, but there is one such channel for all.
    symbol: isPrivate(frame) || !('symbol' in frame) ? undefined : frame.symbol,
    interval: frame.channel === 'candles' ? frame.interval : undefined,
  })

const isPrivate = ({ channel }: Pick<DataFrame, 'channel'>): boolean =>
  channel === 'orders' || channel === 'fills' || channel === 'balances'

/** A channel in which every frame stands for itself. */
function plain<F extends DataFrame>(topic: Topic, onFrame: (frame: F) => void): Channel {
  return {
    key: topicKey(topic),
    isPrivate: false,
    topic: () => topic,
    handle: (frame) => {
      onFrame(frame as F)
      return 'ok'
    },
    lost: () => {},
  }
}

export const tradesChannel = (symbol: string, onFrame: (frame: TradesFrame) => void): Channel =>
  plain({ channel: 'trades', symbol }, onFrame)
export const tickerChannel = (symbol: string, onFrame: (frame: TickerFrame) => void): Channel =>
  plain({ channel: 'ticker', symbol }, onFrame)
export const candlesChannel = (
  symbol: string,
  interval: CandleInterval,
  onFrame: (frame: CandleFrame) => void,
): Channel => plain({ channel: 'candles', symbol, interval }, onFrame)

/** `onChange` is called only with a book that is whole and checked. */
export function bookChannel(book: OrderBook, onChange: (book: OrderBook, frame: BookFrame) => void): Channel {
  const topic: Topic = { channel: 'orderbook', symbol: book.symbol }
  return {
    key: topicKey(topic),
    isPrivate: false,
    topic: () => topic,
    handle: (frame) => {
      const applied = book.apply(frame as BookFrame)
      if (applied === 'applied') onChange(book, frame as BookFrame)
      return applied === 'gap' || applied === 'bad_checksum' ? 'resync' : 'ok'
    },
    lost: () => book.invalidate(),
  }
}

/** A private channel: a snapshot, then frames that each name the one before. */
function numbered<F extends OrdersFrame | FillsFrame | BalancesFrame>(
  topic: () => Topic,
  onFrame: (frame: F) => void,
): Channel {
  let seq: number | undefined
  return {
    key: topicKey(topic()),
    isPrivate: true,
    topic,
    handle: (data) => {
      const frame = data as F
      if (frame.type !== 'snapshot') {
        // Until the snapshot comes, nothing can be told about what was missed.
        if (seq === undefined) return 'ok'
        if (frame.prev_seq !== seq) return 'resync'
      }
      seq = frame.seq
      onFrame(frame)
      return 'ok'
    },
    lost: () => {
      seq = undefined
    },
  }
}

export const ordersChannel = (onFrame: (frame: OrdersFrame) => void): Channel =>
  numbered(() => ({ channel: 'orders' }), onFrame)
export const balancesChannel = (onFrame: (frame: BalancesFrame) => void): Channel =>
  numbered(() => ({ channel: 'balances' }), onFrame)

/** Goes on after the last fill that was seen, so that none is missed between two connections. */
export function fillsChannel(sinceFillId: string | undefined, onFrame: (frame: FillsFrame) => void): Channel {
  let last = sinceFillId
  return numbered<FillsFrame>(
    () => ({ channel: 'fills', since_fill_id: last }),
    (frame) => {
      last = (frame.type === 'snapshot' ? frame.items.at(-1)?.fill_id : frame.fill.fill_id) ?? last
      onFrame(frame)
    },
  )
}
