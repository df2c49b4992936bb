import { growNumbers, growRefs, num, ref } from './columns.ts'
import type { OrderPool } from './order-pool.ts'
import { PriceTree } from './price-tree.ts'

const CACHE_MASK = 1023

/**
 * One side of the book: its price levels, best first. A level is a slot; its key is sign × ticks, so that on both sides the
 * lowest key is the best price. Levels are a linked list in price order beside the tree: the best one, and the next when it
 * empties, cost one read.
 */
export class LevelIndex {
  /** The best level, or 0. */
  best = 0
  private worst = 0
  /** Lots resting on this side. */
  totalLots = 0

  private capacity = 64
  private firstFree = 0
  private used = 1
  readonly tree = new PriceTree()
  lots = new Float64Array(64)
  /** First and last order of the level, in time priority. */
  head = new Int32Array(64)
  private tail = new Int32Array(64)
  private better = new Int32Array(64)
  worse = new Int32Array(64)

  /** Recently used levels by price: a hint that is checked, so it may be stale. */
  private readonly cache = new Int32Array(CACHE_MASK + 1)

  /** Levels touched by the current command, with what rested there before it. */
  private dirty = new Int32Array(64)
  private dirtyKeys = new Float64Array(64)
  private dirtyLots = new Float64Array(64)
  private dirtyCount = 0

  constructor(
    readonly sign: 1 | -1,
    private readonly orders: OrderPool,
  ) {}

  /** The level's price. */
  ticksOf(level: number): number {
    return this.sign * num(this.tree.key, level)
  }

  /** The best price, or 0. */
  bestTicks(): number {
    return this.best === 0 ? 0 : this.ticksOf(this.best)
  }

  /** Would an order from the other side, good to `ticks`, trade with the best level? */
  isCrossedBy(ticks: number): boolean {
    return this.best !== 0 && num(this.tree.key, this.best) <= this.sign * ticks
  }

  /** Puts an order at the end of its price's queue. */
  enqueue(slot: number): void {
    const { orders } = this
    const level = this.levelAt(this.sign * num(orders.ticks, slot))
    const last = ref(this.tail, level)
    orders.level[slot] = level
    orders.previous[slot] = last
    orders.next[slot] = 0
    if (last === 0) this.head[level] = slot
    else orders.next[last] = slot
    this.tail[level] = slot
    this.changeLots(level, num(orders.remaining, slot))
  }

  /** Takes an order, with what remains of it, out of its queue; an empty level goes. */
  dequeue(slot: number): void {
    const { orders } = this
    const level = ref(orders.level, slot)
    this.changeLots(level, -num(orders.remaining, slot))
    const before = ref(orders.previous, slot)
    const after = ref(orders.next, slot)
    if (before === 0) this.head[level] = after
    else orders.next[before] = after
    if (after === 0) this.tail[level] = before
    else orders.previous[after] = before
    if (before === 0 && after === 0) this.removeLevel(level)
  }

  changeLots(level: number, lots: number): void {
    if (ref(this.dirty, level) === 0) this.markDirty(level)
    this.lots[level] = num(this.lots, level) + lots
    this.totalLots += lots
  }

  /** Ends a command: calls back for each level whose lots differ from before it, in no order, and forgets. */
  drainChanges(changed: (ticks: number, lots: number) => void): void {
    for (let i = 0; i < this.dirtyCount; i += 1) {
      const key = num(this.dirtyKeys, i)
      const level = this.find(key)
      const lots = level === 0 ? 0 : num(this.lots, level)
      if (level !== 0) this.dirty[level] = 0
      if (lots !== num(this.dirtyLots, i)) changed(this.sign * key, lots)
    }
    this.dirtyCount = 0
  }

  private find(key: number): number {
    const cached = ref(this.cache, key & CACHE_MASK)
    if (num(this.tree.key, cached) === key) return cached
    const nearest = this.tree.findNearest(key)
    return num(this.tree.key, nearest) === key ? nearest : 0
  }

  private levelAt(key: number): number {
    const { tree } = this
    const cached = ref(this.cache, key & CACHE_MASK)
    if (num(tree.key, cached) === key) return cached
    let parent = 0
    // Most new levels are at the ends: there the place is known without a search.
    if (this.best === 0) parent = 0
    else if (key < num(tree.key, this.best)) parent = this.best
    else if (key > num(tree.key, this.worst)) parent = this.worst
    else {
      parent = tree.findNearest(key)
      if (num(tree.key, parent) === key) return parent
    }
    return this.addLevel(key, parent)
  }

  private addLevel(key: number, parent: number): number {
    let level = this.firstFree
    if (level !== 0) this.firstFree = ref(this.worse, level)
    else {
      if (this.used === this.capacity) this.grow()
      level = this.used
      this.used += 1
    }
    const goesBefore = parent !== 0 && key < num(this.tree.key, parent)
    const worse = goesBefore ? parent : parent === 0 ? 0 : ref(this.worse, parent)
    const better = goesBefore ? ref(this.better, parent) : parent
    this.better[level] = better
    this.worse[level] = worse
    if (better === 0) this.best = level
    else this.worse[better] = level
    if (worse === 0) this.worst = level
    else this.better[worse] = level
    this.tree.insert(level, key, parent)
    this.lots[level] = 0
    this.head[level] = 0
    this.tail[level] = 0
    this.dirty[level] = this.wasDirty(key) ? 1 : 0
    this.cache[key & CACHE_MASK] = level
    return level
  }

  private removeLevel(level: number): void {
    const better = ref(this.better, level)
    const worse = ref(this.worse, level)
    this.tree.remove(level, worse)
    if (better === 0) this.best = worse
    else this.worse[better] = worse
    if (worse === 0) this.worst = better
    else this.better[worse] = better
    this.worse[level] = this.firstFree
    this.firstFree = level
  }

  private markDirty(level: number): void {
    if (this.dirtyCount === this.dirtyKeys.length) {
      this.dirtyKeys = growNumbers(this.dirtyKeys, this.dirtyCount * 2)
      this.dirtyLots = growNumbers(this.dirtyLots, this.dirtyCount * 2)
    }
    this.dirty[level] = 1
    this.dirtyKeys[this.dirtyCount] = num(this.tree.key, level)
    this.dirtyLots[this.dirtyCount] = num(this.lots, level)
    this.dirtyCount += 1
  }

  /** A level that went and came back within one command keeps its first entry. */
  private wasDirty(key: number): boolean {
    for (let i = 0; i < this.dirtyCount; i += 1) if (num(this.dirtyKeys, i) === key) return true
    return false
  }

  private grow(): void {
    this.capacity *= 2
    this.tree.grow(this.capacity)
    this.lots = growNumbers(this.lots, this.capacity)
    this.head = growRefs(this.head, this.capacity)
    this.tail = growRefs(this.tail, this.capacity)
    this.better = growRefs(this.better, this.capacity)
    this.worse = growRefs(this.worse, this.capacity)
    this.dirty = growRefs(this.dirty, this.capacity)
  }
}
