import { growNumbers, growRefs, num, ref } from './columns.ts'
import { SeqIndex } from './seq-index.ts'
import { addProduct } from './wide.ts'

export const BUY = 0
export const SELL = 1

/**
 * Every order the engine knows, as columns: an order is a slot number. Slot 0 means "none"; free slots form a list through
 * `next`. Orders of one level and orders of one user are linked lists through the columns, so that joining and leaving is O(1).
 */
export class OrderPool {
  private capacity = 1024
  private firstFree = 0
  private used = 1
  private userCapacity = 256

  seq = new Float64Array(this.capacity)
  ticks = new Float64Array(this.capacity)
  remaining = new Float64Array(this.capacity)
  filled = new Float64Array(this.capacity)
  /** Σ ticks × lots of all fills, as a pair. */
  unitsHigh = new Float64Array(this.capacity)
  unitsLow = new Float64Array(this.capacity)
  /** The part of `filled` and of the units that the order traded as taker, before it rested. */
  takerLots = new Float64Array(this.capacity)
  takerHigh = new Float64Array(this.capacity)
  takerLow = new Float64Array(this.capacity)

  side = new Int32Array(this.capacity)
  user = new Int32Array(this.capacity)
  makerFeeBps = new Int32Array(this.capacity)
  takerFeeBps = new Int32Array(this.capacity)
  level = new Int32Array(this.capacity)
  next = new Int32Array(this.capacity)
  previous = new Int32Array(this.capacity)
  private userNext = new Int32Array(this.capacity)
  private userPrevious = new Int32Array(this.capacity)

  private userFirst = new Int32Array(this.userCapacity)
  private userLast = new Int32Array(this.userCapacity)
  private readonly resting = new SeqIndex()

  /** How many orders rest in the book. */
  get restingCount(): number {
    return this.resting.size
  }

  /** Takes a slot for an order that has traded nothing yet. `ticks` is 0 for a market order. */
  take(
    seq: number,
    user: number,
    side: number,
    ticks: number,
    lots: number,
    makerFeeBps: number,
    takerFeeBps: number,
  ): number {
    let slot = this.firstFree
    if (slot !== 0) this.firstFree = ref(this.next, slot)
    else {
      if (this.used === this.capacity) this.grow()
      slot = this.used
      this.used += 1
    }
    if (user >= this.userCapacity) this.growUsers(user)
    this.seq[slot] = seq
    this.user[slot] = user
    this.side[slot] = side
    this.ticks[slot] = ticks
    this.remaining[slot] = lots
    this.filled[slot] = 0
    this.unitsHigh[slot] = 0
    this.unitsLow[slot] = 0
    this.makerFeeBps[slot] = makerFeeBps
    this.takerFeeBps[slot] = takerFeeBps
    return slot
  }

  release(slot: number): void {
    this.next[slot] = this.firstFree
    this.firstFree = slot
  }

  fill(slot: number, ticks: number, lots: number): void {
    this.filled[slot] = num(this.filled, slot) + lots
    this.remaining[slot] = num(this.remaining, slot) - lots
    addProduct(this.unitsHigh, this.unitsLow, slot, ticks, lots)
  }

  /** From now on the order rests: its fills so far were a taker's, all later ones are a maker's. */
  startResting(slot: number): void {
    this.takerLots[slot] = num(this.filled, slot)
    this.takerHigh[slot] = num(this.unitsHigh, slot)
    this.takerLow[slot] = num(this.unitsLow, slot)
    this.link(slot)
  }

  /** Makes the order findable by its seq and by its user. */
  link(slot: number): void {
    this.resting.add(num(this.seq, slot), slot)
    const user = ref(this.user, slot)
    const last = ref(this.userLast, user)
    this.userPrevious[slot] = last
    this.userNext[slot] = 0
    if (last === 0) this.userFirst[user] = slot
    else this.userNext[last] = slot
    this.userLast[user] = slot
  }

  unlink(slot: number): void {
    this.resting.remove(num(this.seq, slot))
    const user = ref(this.user, slot)
    const before = ref(this.userPrevious, slot)
    const after = ref(this.userNext, slot)
    if (before === 0) this.userFirst[user] = after
    else this.userNext[before] = after
    if (after === 0) this.userLast[user] = before
    else this.userPrevious[after] = before
  }

  /** The resting order with that command_seq, or 0. */
  find(seq: number): number {
    return this.resting.find(seq)
  }

  /** The user's resting order with the lowest command_seq, or 0. */
  firstOf(user: number): number {
    return user < this.userCapacity ? ref(this.userFirst, user) : 0
  }

  private grow(): void {
    this.capacity *= 2
    const size = this.capacity
    this.seq = growNumbers(this.seq, size)
    this.ticks = growNumbers(this.ticks, size)
    this.remaining = growNumbers(this.remaining, size)
    this.filled = growNumbers(this.filled, size)
    this.unitsHigh = growNumbers(this.unitsHigh, size)
    this.unitsLow = growNumbers(this.unitsLow, size)
    this.takerLots = growNumbers(this.takerLots, size)
    this.takerHigh = growNumbers(this.takerHigh, size)
    this.takerLow = growNumbers(this.takerLow, size)
    this.side = growRefs(this.side, size)
    this.user = growRefs(this.user, size)
    this.makerFeeBps = growRefs(this.makerFeeBps, size)
    this.takerFeeBps = growRefs(this.takerFeeBps, size)
    this.level = growRefs(this.level, size)
    this.next = growRefs(this.next, size)
    this.previous = growRefs(this.previous, size)
    this.userNext = growRefs(this.userNext, size)
    this.userPrevious = growRefs(this.userPrevious, size)
  }

  private growUsers(user: number): void {
    while (this.userCapacity <= user) this.userCapacity *= 2
    this.userFirst = growRefs(this.userFirst, this.userCapacity)
    this.userLast = growRefs(this.userLast, this.userCapacity)
  }
}
