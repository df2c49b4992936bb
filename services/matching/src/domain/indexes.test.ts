import fc from 'fast-check'
import { LevelIndex } from './level-index.ts'
import { BUY, OrderPool, SELL } from './order-pool.ts'
import type { PriceTree } from './price-tree.ts'
import { SeqIndex } from './seq-index.ts'

/** The black height; throws where the tree is no red-black tree. */
function blackHeight(tree: PriceTree, node: number): number {
  if (node === 0) return 1
  const [left, right] = [tree.left[node]!, tree.right[node]!]
  for (const child of [left, right]) {
    if (child === 0) continue
    if (tree.parent[child] !== node) throw new Error('a child has another parent')
    if (tree.color[node] === 1 && tree.color[child] === 1) throw new Error('red below red')
  }
  if (left !== 0 && !(tree.key[left]! < tree.key[node]!)) throw new Error('left is not lower')
  if (right !== 0 && !(tree.key[right]! > tree.key[node]!)) throw new Error('right is not higher')
  const height = blackHeight(tree, left)
  if (height !== blackHeight(tree, right)) throw new Error('one side is blacker')
  return height + (tree.color[node] === 0 ? 1 : 0)
}

function levels(index: LevelIndex): [number, number][] {
  const found: [number, number][] = []
  for (let level = index.best; level !== 0; level = index.worse[level]!)
    found.push([index.ticksOf(level), index.lots[level]!])
  return found
}

describe('LevelIndex', () => {
  const moves = fc.array(fc.tuple(fc.nat(4), fc.integer({ min: 1, max: 300 })), {
    minLength: 200,
    maxLength: 600,
    size: 'max',
  })

  it.each([
    [BUY, -1 as const],
    [SELL, 1 as const],
  ])('is a sorted list on side %s, whatever comes and goes', (side, sign) => {
    const property = fc.property(moves, (steps) => {
      const orders = new OrderPool()
      const index = new LevelIndex(sign, orders)
      const resting: number[] = []
      for (const [at, [kind, value]] of steps.entries()) {
        if (kind < 3 || resting.length === 0) {
          const slot = orders.take(at, 0, side, value, 1 + (value % 5), 0, 0)
          index.enqueue(slot)
          resting.push(slot)
        } else {
          const [slot] = resting.splice(value % resting.length, 1) as [number]
          index.dequeue(slot)
          orders.release(slot)
        }
        if (at % 5 === 0) blackHeight(index.tree, index.tree.root)
      }
      const expected = new Map<number, number>()
      for (const slot of resting) {
        const ticks = orders.ticks[slot]!
        expected.set(ticks, (expected.get(ticks) ?? 0) + orders.remaining[slot]!)
      }
      const changes: [number, number][] = []
      index.drainChanges((ticks, lots) => changes.push([ticks, lots]))
      const sorted = [...expected].sort(([a], [b]) => sign * (a - b))
      expect(levels(index)).toEqual(sorted)
      expect(changes.sort(([a], [b]) => sign * (a - b))).toEqual(sorted)
      for (const slot of resting) index.dequeue(slot)
      expect([index.best, index.totalLots, index.tree.root]).toEqual([0, 0, 0])
    })
    fc.assert(property, { numRuns: 60 })
  })

  it('tells a level that went and came back once, and only when it differs', () => {
    const orders = new OrderPool()
    const index = new LevelIndex(1, orders)
    const rest = (lots: number) => {
      const slot = orders.take(1, 0, SELL, 101, lots, 0, 0)
      index.enqueue(slot)
      return slot
    }
    const told: [number, number][] = []
    const tell = () => index.drainChanges((ticks, lots) => told.push([ticks, lots]))
    const first = rest(5)
    tell()
    index.dequeue(first)
    const second = rest(5)
    tell()
    index.dequeue(second)
    rest(7)
    tell()
    expect(told).toEqual([
      [101, 5],
      [101, 7],
    ])
  })
})

describe('SeqIndex', () => {
  it('is a map, also where places collide', () => {
    // Steps of the table's size all have one home.
    const seq = fc.oneof(
      fc.integer({ min: 1, max: 3_000 }),
      fc.integer({ min: 1, max: 900 }).map((n) => n * 1_024),
    )
    const property = fc.property(fc.array(fc.tuple(fc.boolean(), seq), { maxLength: 2_000, size: 'max' }), (steps) => {
      const index = new SeqIndex()
      const model = new Map<number, number>()
      for (const [at, [isAdded, key]] of steps.entries()) {
        if (isAdded && !model.has(key)) {
          index.add(key, at + 1)
          model.set(key, at + 1)
        } else if (!isAdded) {
          index.remove(key)
          model.delete(key)
        }
      }
      expect(index.size).toBe(model.size)
      for (const [, key] of steps) expect(index.find(key)).toBe(model.get(key) ?? 0)
    })
    fc.assert(property, { numRuns: 60 })
  })
})
