import type { Book, Change } from './book.ts'
import { type FeedEvent, frame, type Pending } from './frame.ts'

/** Roughly what a change of a book costs in a frame. */
const CHANGE_BYTES = 64

/** A whole book is to come; whatever the book is by then. */
class PendingSnapshot implements Pending {
  readonly bytes = 0
  constructor(readonly book: Book) {}

  render(): Buffer[] {
    return [this.book.snapshotFrame()]
  }
}

/** Changes of a book since the last frame that was sent, each level once. */
class PendingChanges implements Pending {
  private readonly changes = new Map<string, Change>()

  constructor(
    readonly book: Book,
    private readonly prevSeq: number,
  ) {}

  get bytes(): number {
    return this.changes.size * CHANGE_BYTES
  }

  add(changes: readonly Change[]): void {
    for (const change of changes) this.changes.set(`${change.side} ${change.price}`, change)
  }

  render(): Buffer[] {
    return [this.book.updateFrame(this.prevSeq, [...this.changes.values()])]
  }
}

/** The book was read anew: everybody gets all of it. */
export const bookSnapshot = (book: Book): FeedEvent => ({
  bytes: book.snapshotFrame(),
  merge: () => new PendingSnapshot(book),
})

/** One update, already applied to the book. */
export const bookUpdate = (book: Book, changes: readonly Change[]): FeedEvent => {
  const prevSeq = book.seq - 1
  return {
    bytes: book.updateFrame(prevSeq, changes),
    merge: (pending) => {
      // A snapshot that still waits will hold these changes too.
      if (pending instanceof PendingSnapshot && pending.book === book) return pending
      const waiting =
        pending instanceof PendingChanges && pending.book === book ? pending : new PendingChanges(book, prevSeq)
      waiting.add(changes)
      return waiting
    },
  }
}

/** Only the newest frame of each key matters. */
class PendingLatest implements Pending {
  private readonly frames = new Map<string, Buffer>()

  get bytes(): number {
    return [...this.frames.values()].reduce((sum, bytes) => sum + bytes.length, 0)
  }

  set(key: string, bytes: Buffer): void {
    this.frames.set(key, bytes)
  }

  render(): Buffer[] {
    return [...this.frames.values()]
  }
}

/** A state that replaces the one before of the same key: a ticker, or one candle. */
export const latest = (key: string, content: object): FeedEvent => {
  const bytes = frame(content)
  return {
    bytes,
    merge: (pending) => {
      const waiting = pending instanceof PendingLatest ? pending : new PendingLatest()
      waiting.set(key, bytes)
      return waiting
    },
  }
}

type ItemsFrame = { [name: string]: unknown; items: readonly object[] }

/** Items that all count, in fewer frames. */
class PendingItems implements Pending {
  bytes = 0
  private readonly items: object[] = []
  private last: ItemsFrame = { items: [] }

  add(content: ItemsFrame, bytes: number): void {
    this.items.push(...content.items)
    this.bytes += bytes
    this.last = content
  }

  render(): Buffer[] {
    return [frame({ ...this.last, items: this.items })]
  }
}

/** Items of a channel in which each one counts: trades. */
export const items = (content: ItemsFrame): FeedEvent => {
  const bytes = frame(content)
  return {
    bytes,
    merge: (pending) => {
      const waiting = pending instanceof PendingItems ? pending : new PendingItems()
      waiting.add(content, bytes.length)
      return waiting
    },
  }
}
