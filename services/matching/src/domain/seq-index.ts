import { num, ref } from './columns.ts'

/**
 * Finds a resting order's slot by its command_seq: open addressing with linear probing. Sequence numbers are their own hash:
 * neighbours in time are neighbours in memory. At most half full.
 */
export class SeqIndex {
  private keys = new Float64Array(1024)
  private slots = new Int32Array(1024)
  private mask = 1023
  size = 0

  /** The slot, or 0. */
  find(seq: number): number {
    let at = seq & this.mask
    let slot = ref(this.slots, at)
    while (slot !== 0) {
      if (num(this.keys, at) === seq) return slot
      at = (at + 1) & this.mask
      slot = ref(this.slots, at)
    }
    return 0
  }

  /** Adds a seq that is not in the index. */
  add(seq: number, slot: number): void {
    if (this.size * 2 > this.mask) this.grow()
    let at = seq & this.mask
    while (ref(this.slots, at) !== 0) at = (at + 1) & this.mask
    this.keys[at] = seq
    this.slots[at] = slot
    this.size += 1
  }

  remove(seq: number): void {
    let hole = seq & this.mask
    while (num(this.keys, hole) !== seq || ref(this.slots, hole) === 0) {
      if (ref(this.slots, hole) === 0) return
      hole = (hole + 1) & this.mask
    }
    this.size -= 1
    // Move back every later entry of the run that may stand in the hole, so that no probe ever meets a false end.
    for (let at = (hole + 1) & this.mask; ref(this.slots, at) !== 0; at = (at + 1) & this.mask) {
      const home = num(this.keys, at) & this.mask
      if (((at - home) & this.mask) < ((at - hole) & this.mask)) continue
      this.keys[hole] = num(this.keys, at)
      this.slots[hole] = ref(this.slots, at)
      hole = at
    }
    this.slots[hole] = 0
  }

  private grow(): void {
    const { keys, slots } = this
    this.keys = new Float64Array(keys.length * 2)
    this.slots = new Int32Array(keys.length * 2)
    this.mask = keys.length * 2 - 1
    this.size = 0
    for (let at = 0; at < slots.length; at += 1) if (ref(slots, at) !== 0) this.add(num(keys, at), ref(slots, at))
  }
}
