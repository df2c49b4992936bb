import { seeded } from '@bitka/testkit'
import { num, ref } from '../../../services/matching/src/domain/columns.ts'
import { Stp } from '../../../services/matching/src/domain/command.ts'
import { Entry, Matcher, type MatchSink } from '../../../services/matching/src/domain/matcher.ts'
import { BUY, OrderPool, SELL } from '../../../services/matching/src/domain/order-pool.ts'

/** A limit order that rests, the cancel of one that rests, and an order that takes at once or is gone (IOC). */
export const Op = { rest: 0, cancel: 1, take: 2 } as const

/** Commands as columns; a command's seq is its index + 1. Prices are ticks and quantities lots: whole numbers. */
export type Stream = {
  name: string
  seed: number
  /** How many of the commands only fill the book; they are not timed. */
  loaded: number
  length: number
  op: Uint8Array
  side: Uint8Array
  ticks: Int32Array
  lots: Int32Array
  user: Int32Array
  /** Of a cancel: the seq of the order. */
  target: Int32Array
  /** What the timed part consists of, as shares. */
  mix: { rest: number; cancel: number; take: number }
}

export type StreamShape = {
  name: string
  seed: number
  commands: number
  levelsPerSide: number
  resting: number
  /** Shares of the timed commands; the rest takes. Kept up by turning a cancel into an order when too few rest. */
  restShare: number
  cancelShare: number
}

export const shallow = (commands: number, seed: number): StreamShape => ({
  name: 'shallow',
  seed,
  commands,
  levelsPerSide: 25,
  resting: 1_000,
  restShare: 0.45,
  cancelShare: 0.45,
})

/** Nine commands in ten are a cancel or its replacement. */
export const deep = (commands: number, seed: number): StreamShape => ({
  name: 'deep',
  seed,
  commands,
  levelsPerSide: 2_500,
  resting: 100_000,
  restShare: 0.45,
  cancelShare: 0.45,
})

const MID_TICKS = 1_000_000
const MAKER_LOTS_MAX = 100
/** Nine takers in ten are small; the tenth sweeps. */
const SMALL_LOTS_MAX = 10
const SWEEP_LOTS_MAX = 200
/** Takers are one user and makers others, so that nobody ever meets themself: the peer has no such rule by default. */
const TAKER = 1
const MAKERS = 256

/** Which orders rest now: one of them can be picked, and any of them leaves, in O(1). */
class Live {
  private readonly seqs: number[] = []
  private readonly places: Int32Array
  constructor(capacity: number) {
    this.places = new Int32Array(capacity + 1)
  }

  get size(): number {
    return this.seqs.length
  }

  at(place: number): number {
    return this.seqs[place] ?? 0
  }

  add(seq: number): void {
    this.places[seq] = this.seqs.length
    this.seqs.push(seq)
  }

  remove(seq: number): void {
    const place = ref(this.places, seq)
    const last = this.seqs.pop() ?? 0
    if (last === seq) return
    this.seqs[place] = last
    this.places[last] = place
  }
}

/**
 * Records a stream: the same shape gives the same commands on every machine. A book is kept meanwhile, since only orders that
 * rest are cancelled. That both players do the same with it is checked after every run, so this book proves nothing by itself.
 */
export function record(shape: StreamShape): Stream {
  const random = seeded(shape.seed)
  const length = shape.resting + shape.commands
  const stream: Stream = {
    name: shape.name,
    seed: shape.seed,
    loaded: shape.resting,
    length,
    op: new Uint8Array(length),
    side: new Uint8Array(length),
    ticks: new Int32Array(length),
    lots: new Int32Array(length),
    user: new Int32Array(length),
    target: new Int32Array(length),
    mix: { rest: 0, cancel: 0, take: 0 },
  }
  const live = new Live(length)
  const pool = new OrderPool()
  const matcher = new Matcher({ ...ignoring, closed: (slot) => live.remove(num(pool.seq, slot)) }, pool)
  const counts = [0, 0, 0]
  for (let index = 0; index < length; index += 1) {
    const op = index < shape.resting ? Op.rest : pick(shape, random.next(), live.size)
    const seq = index + 1
    if (index >= shape.resting) counts[op] = (counts[op] ?? 0) + 1
    stream.op[index] = op
    if (op === Op.cancel) {
      stream.target[index] = live.at(random.int(live.size))
    } else {
      const isBuy = random.int(2) === 0
      stream.side[index] = isBuy ? BUY : SELL
      if (op === Op.rest) {
        const distance = 1 + random.int(shape.levelsPerSide)
        stream.ticks[index] = isBuy ? MID_TICKS - distance : MID_TICKS + distance
        stream.lots[index] = 1 + random.int(MAKER_LOTS_MAX)
        stream.user[index] = TAKER + 1 + random.int(MAKERS)
        live.add(seq)
      } else {
        const reach = shape.levelsPerSide + 1
        stream.ticks[index] = isBuy ? MID_TICKS + reach : MID_TICKS - reach
        stream.lots[index] = 1 + random.int(random.int(10) === 0 ? SWEEP_LOTS_MAX : SMALL_LOTS_MAX)
        stream.user[index] = TAKER
        // The taker's own end is told like any other's.
        live.add(seq)
      }
    }
    play(matcher, pool, stream, index)
  }
  const share = (op: number): number => Math.round(((counts[op] ?? 0) / Math.max(shape.commands, 1)) * 1000) / 1000
  stream.mix = { rest: share(Op.rest), cancel: share(Op.cancel), take: share(Op.take) }
  return stream
}

function pick(shape: StreamShape, roll: number, resting: number): number {
  if (roll >= shape.restShare + shape.cancelShare) return Op.take
  // What takers took is put back, so that the book stays as deep as it says.
  if (resting < shape.resting) return Op.rest
  if (resting > shape.resting * 1.02) return Op.cancel
  return roll < shape.restShare ? Op.rest : Op.cancel
}

export const ignoring: MatchSink = {
  accepted: () => {},
  rejected: () => {},
  trade: () => {},
  reduced: () => {},
  closed: () => {},
  level: () => {},
  bookChanged: () => {},
}

/** A budget that no order reaches: 2^53 ticks × lots and more. */
const PLENTY_HIGH = 2 ** 40

/** Plays one command into our book. */
export function play(matcher: Matcher, pool: OrderPool, stream: Stream, index: number): void {
  const op = stream.op[index]
  if (op === Op.cancel) {
    matcher.cancel(ref(stream.target, index), 1)
  } else {
    matcher.budget[0] = PLENTY_HIGH
    matcher.budget[1] = 0
    const slot = pool.take(
      index + 1,
      ref(stream.user, index),
      stream.side[index] === 0 ? BUY : SELL,
      ref(stream.ticks, index),
      ref(stream.lots, index),
      10,
      20,
    )
    matcher.submit(slot, op === Op.take ? Entry.ioc : Entry.limit, Stp.cancel_newest)
  }
  matcher.finish()
}
