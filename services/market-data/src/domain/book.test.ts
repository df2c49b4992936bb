import { BookSide } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import fc from 'fast-check'
import { Book, type BookUpdate, isSnapshotDue, type Level } from './book.ts'

const empty = { seq: 0n, timeMs: 0, bids: [], asks: [] }

const changes = fc.array(
  fc.record({
    side: fc.constantFrom(BookSide.BID as const, BookSide.ASK as const),
    ticks: fc.integer({ min: 1, max: 30 }),
    lots: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 9 })),
  }),
  { minLength: 1, maxLength: 8 },
)
const updates = fc
  .array(changes, { maxLength: 60 })
  .map((all) => all.map((one, index): BookUpdate => ({ seq: BigInt(index + 1), timeMs: index, changes: one })))

/** The obviously right book. */
function naive(all: readonly BookUpdate[]): { bids: Level[]; asks: Level[] } {
  const sides = { [BookSide.BID]: new Map<number, number>(), [BookSide.ASK]: new Map<number, number>() }
  for (const { changes: some } of all) for (const { side, ticks, lots } of some) sides[side].set(ticks, lots)
  const levels = (side: keyof typeof sides) => [...sides[side]].filter(([, lots]) => lots > 0)
  return {
    bids: levels(BookSide.BID).sort((a, b) => b[0] - a[0]),
    asks: levels(BookSide.ASK).sort((a, b) => a[0] - b[0]),
  }
}

describe('a book', () => {
  it('is what its changes make it, from the beginning or from any snapshot on', () => {
    fc.assert(
      fc.property(updates, fc.nat(60), (all, cut) => {
        const book = Book.of(empty)
        for (const update of all.slice(0, cut)) book.apply(update)
        const copy = Book.of(book.snapshot())
        for (const update of all.slice(cut)) copy.apply(update)
        for (const update of all.slice(cut)) book.apply(update)
        const { bids, asks } = naive(all)
        expect(book.snapshot()).toMatchObject({ seq: BigInt(all.length), bids, asks })
        expect(copy.snapshot()).toEqual(book.snapshot())
        expect([book.bestBid, book.bestAsk, book.size]).toEqual([bids[0]?.[0], asks[0]?.[0], bids.length + asks.length])
        expect(book.snapshot(3)).toMatchObject({ bids: bids.slice(0, 3), asks: asks.slice(0, 3) })
      }),
    )
  })

  it('does not follow its copy', () => {
    const book = Book.of(empty)
    book.clone().apply({ seq: 1n, timeMs: 1, changes: [{ side: BookSide.BID, ticks: 5, lots: 1 }] })
    expect(book.snapshot()).toEqual(empty)
  })

  it.each([0n, 2n])('refuses change %i as its first', (seq) => {
    expect(() => Book.of(empty).apply({ seq, timeMs: 0, changes: [] })).toThrow('book change')
  })
})

test.each<[bigint, number, boolean]>([
  [499n, 10, false],
  [500n, 10, true],
  [500n, 501, false], // a large book is stored less often
  [501n, 501, true],
])('after %i changes of a book of %i levels a snapshot is due: %p', (since, levels, due) => {
  expect(isSnapshotDue(since, levels)).toBe(due)
})
