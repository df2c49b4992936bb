import { BookSide } from '@bitka/proto/bitka/market_data/v1/market_data_pb'

/** A price and what rests there. */
export type Level = readonly [ticks: number, lots: number]

export type Side = typeof BookSide.BID | typeof BookSide.ASK

/** What rests at a price after a change; 0 lots removes the level. */
type LevelChange = { readonly side: Side; readonly ticks: number; readonly lots: number }

/** One numbered change of a book. */
export type BookUpdate = { readonly seq: bigint; readonly timeMs: number; readonly changes: readonly LevelChange[] }

/** A whole book after its change `seq`; levels best first. */
export type BookSnapshot = {
  readonly seq: bigint
  readonly timeMs: number
  readonly bids: readonly Level[]
  readonly asks: readonly Level[]
}

/** The levels of one side, lowest price first. */
class Levels {
  private constructor(
    private readonly prices: number[],
    private readonly lots: Map<number, number>,
  ) {}

  static of(levels: readonly Level[]): Levels {
    return new Levels(
      levels.map(([ticks]) => ticks).sort((a, b) => a - b),
      new Map(levels),
    )
  }

  get size(): number {
    return this.prices.length
  }

  set(ticks: number, lots: number): void {
    const isKnown = this.lots.has(ticks)
    if (lots > 0) this.lots.set(ticks, lots)
    else this.lots.delete(ticks)
    if (isKnown === lots > 0) return
    if (isKnown) this.prices.splice(this.placeOf(ticks), 1)
    else this.prices.splice(this.placeOf(ticks), 0, ticks)
  }

  /** The first `depth` levels from the low or from the high end. */
  take(depth: number, from: 'low' | 'high'): Level[] {
    const prices = from === 'low' ? this.prices.slice(0, depth) : this.prices.slice(-depth).reverse()
    return prices.map((ticks) => [ticks, this.lots.get(ticks) ?? 0])
  }

  get lowest(): number | undefined {
    return this.prices[0]
  }

  get highest(): number | undefined {
    return this.prices.at(-1)
  }

  clone(): Levels {
    return new Levels([...this.prices], new Map(this.lots))
  }

  /** Where the price is, or belongs. */
  private placeOf(ticks: number): number {
    let low = 0
    let high = this.prices.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.prices[middle] ?? 0) < ticks) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** The visible book of one market. */
export class Book {
  private constructor(
    private lastSeq: bigint,
    private lastTimeMs: number,
    private readonly bids: Levels,
    private readonly asks: Levels,
  ) {}

  static of({ seq, timeMs, bids, asks }: BookSnapshot): Book {
    return new Book(seq, timeMs, Levels.of(bids), Levels.of(asks))
  }

  /** The number of the last change in it. */
  get seq(): bigint {
    return this.lastSeq
  }

  /** How many levels it has. */
  get size(): number {
    return this.bids.size + this.asks.size
  }

  get bestBid(): number | undefined {
    return this.bids.highest
  }

  get bestAsk(): number | undefined {
    return this.asks.lowest
  }

  /** @throws when the change is not the next one: what follows a gap is no book */
  apply({ seq, timeMs, changes }: BookUpdate): void {
    if (seq !== this.lastSeq + 1n) throw new Error(`book change ${seq} follows ${this.lastSeq}`)
    for (const { side, ticks, lots } of changes) {
      const levels = side === BookSide.BID ? this.bids : this.asks
      levels.set(ticks, lots)
    }
    this.lastSeq = seq
    this.lastTimeMs = timeMs
  }

  /** The best `depth` levels of each side; all of them without one. */
  snapshot(depth = Number.POSITIVE_INFINITY): BookSnapshot {
    return {
      seq: this.lastSeq,
      timeMs: this.lastTimeMs,
      bids: this.bids.take(depth, 'high'),
      asks: this.asks.take(depth, 'low'),
    }
  }

  clone(): Book {
    return new Book(this.lastSeq, this.lastTimeMs, this.bids.clone(), this.asks.clone())
  }
}

/** The fewest changes between two stored snapshots. */
const SNAPSHOT_UPDATES_MIN = 500

/**
 * Whether a snapshot is due. A large book waits for as many changes as it has levels, so that snapshots never cost more than
 * the changes themselves.
 */
export const isSnapshotDue = (updatesSince: bigint, levels: number): boolean =>
  updatesSince >= BigInt(Math.max(SNAPSHOT_UPDATES_MIN, levels))
