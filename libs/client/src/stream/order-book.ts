import type { BookFrame, BookSnapshotFrame, BookUpdateFrame } from '../types/frames.ts'
import type { PriceLevel } from '../types/markets.ts'
import { bookChecksum } from './checksum.ts'

/** What became of a frame. After `gap` or `bad_checksum` the book is not to be trusted until the next snapshot. */
export type Applied = 'applied' | 'ignored' | 'gap' | 'bad_checksum'

/** Prices of a market have equal decimals, so a longer one is higher. */
const comparePrices = (a: string, b: string): number => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)

const isZero = (quantity: string): boolean => /^[0.]*$/.test(quantity)

/** One market's book, kept from the stream: a snapshot, then updates, each checked by its number and its checksum. */
export class OrderBook {
  /** The number of the last change; 0 before the first snapshot. */
  seq = 0
  timestamp = ''
  /** False before the first snapshot, and from a gap or a wrong checksum on until the next one. */
  synced = false
  private bidLevels: PriceLevel[] = []
  private askLevels: PriceLevel[] = []

  constructor(readonly symbol: string) {}

  /** Highest price first. */
  get bids(): readonly PriceLevel[] {
    return this.bidLevels
  }

  /** Lowest price first. */
  get asks(): readonly PriceLevel[] {
    return this.askLevels
  }

  get bestBid(): PriceLevel | undefined {
    return this.bidLevels[0]
  }

  get bestAsk(): PriceLevel | undefined {
    return this.askLevels[0]
  }

  get checksum(): number {
    return bookChecksum(this.askLevels, this.bidLevels)
  }

  /** From now on nothing counts but a snapshot. */
  invalidate(): void {
    this.synced = false
  }

  apply(frame: BookFrame): Applied {
    const result = frame.type === 'snapshot' ? this.replace(frame) : this.update(frame)
    if (result === 'gap' || result === 'bad_checksum') this.synced = false
    return result
  }

  private replace(frame: BookSnapshotFrame): Applied {
    this.bidLevels = frame.bids.map(({ price, quantity }) => ({ price, quantity }))
    this.askLevels = frame.asks.map(({ price, quantity }) => ({ price, quantity }))
    this.seq = frame.seq
    this.timestamp = frame.timestamp
    this.synced = true
    return this.checksum === frame.checksum ? 'applied' : 'bad_checksum'
  }

  private update(frame: BookUpdateFrame): Applied {
    // What was on its way while a snapshot was asked for.
    if (!this.synced || frame.seq <= this.seq) return 'ignored'
    if (frame.prev_seq !== this.seq) return 'gap'
    for (const { side, price, quantity } of frame.changes) {
      setLevel(side === 'bid' ? this.bidLevels : this.askLevels, side === 'bid' ? -1 : 1, { price, quantity })
    }
    this.seq = frame.seq
    this.timestamp = frame.timestamp
    return this.checksum === frame.checksum ? 'applied' : 'bad_checksum'
  }
}

/** Sets or removes one level; `direction` 1 for the lowest price first, −1 for the highest. */
function setLevel(levels: PriceLevel[], direction: 1 | -1, level: PriceLevel): void {
  let low = 0
  let high = levels.length
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
