import { BookSide, type BookUpdate, type OrderBook } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import { bookChecksum, type Level } from './checksum.ts'
import { frame } from './frame.ts'

export type Change = { side: 'bid' | 'ask'; price: string; quantity: string }

/** All prices of a market have the same decimals, so longer means higher. */
const comparePrices = (a: string, b: string): number => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)

const isZero = (quantity: string): boolean => /^[0.]*$/.test(quantity)

/** One market's book as the last frame left it, for those who join late and for checksums. */
export class Book {
  readonly symbol: string
  seq: number
  private readonly bids: Level[]
  private readonly asks: Level[]
  private timestamp: string
  private rendered: Buffer | undefined

  constructor(snapshot: OrderBook) {
    this.symbol = snapshot.symbol
    this.seq = Number(snapshot.seq)
    this.bids = snapshot.bids.map(({ price, quantity }) => ({ price, quantity }))
    this.asks = snapshot.asks.map(({ price, quantity }) => ({ price, quantity }))
    this.timestamp = timeOf(snapshot.timestamp)
  }

  get checksum(): number {
    return bookChecksum(this.asks, this.bids)
  }

  /** Applies the next update and answers its changes; undefined when it does not follow. */
  apply(update: BookUpdate): Change[] | undefined {
    const seq = Number(update.seq)
    if (seq !== this.seq + 1) return undefined
    const changes = update.changes.map(({ side, price, quantity }): Change => {
      const bid = side === BookSide.BID
      setLevel(bid ? this.bids : this.asks, bid ? -1 : 1, { price, quantity })
      return { side: bid ? 'bid' : 'ask', price, quantity }
    })
    this.seq = seq
    this.timestamp = timeOf(update.timestamp)
    this.rendered = undefined
    return changes
  }

  /** The whole book as a frame; written once for all who ask between two updates. */
  snapshotFrame(): Buffer {
    const { symbol, seq, bids, asks, checksum, timestamp } = this
    this.rendered ??= frame({ channel: 'orderbook', type: 'snapshot', symbol, seq, bids, asks, checksum, timestamp })
    return this.rendered
  }

  /** Changes that lead from the book after `prevSeq` to the book now. */
  updateFrame(prevSeq: number, changes: readonly Change[]): Buffer {
    const { symbol, seq, checksum, timestamp } = this
    return frame({ channel: 'orderbook', type: 'update', symbol, prev_seq: prevSeq, seq, changes, checksum, timestamp })
  }
}

const timeOf = (timestamp: BookUpdate['timestamp']): string =>
  new Date(timestamp ? timestampMs(timestamp) : Date.now()).toISOString()

/** Sets, moves in or removes one level; `direction` 1 for the lowest price first, −1 for the highest. */
function setLevel(levels: Level[], direction: 1 | -1, level: Level): void {
  let [low, high] = [0, levels.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const here = levels[middle]
    if (here && comparePrices(here.price, level.price) * direction < 0) low = middle + 1
    else high = middle
  }
  const found = levels[low]?.price === level.price ? 1 : 0
  if (isZero(level.quantity)) levels.splice(low, found)
  else levels.splice(low, found, level)
}
