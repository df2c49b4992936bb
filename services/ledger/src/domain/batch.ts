import { Book, type Loaded, type Written } from './book.ts'
import { applyHold, applyRelease } from './hold.ts'
import type { BatchItem } from './items.ts'
import type { Outcome } from './model.ts'
import { isDecided, refuse } from './refusals.ts'
import { applySettle } from './settle.ts'
import { applyAdjust, applyReverse, applyTransfer } from './transfer.ts'

/** `replayed`: decided by an earlier request, nothing was done now. */
export type ItemResult = Outcome & { readonly replayed: boolean }

/**
 * The posting function: decides the items of a batch one after the other and says what to write. Pure. A refused item
 * leaves its neighbours alone, except those it is linked with.
 * @throws SettlementError a result of the engine that cannot be applied; nothing of the batch may be written
 */
export function applyBatch(
  items: readonly BatchItem[],
  loaded: Loaded,
  newId: () => string,
): { results: ItemResult[]; written: Written } {
  const book = new Book(loaded, newId)
  const results: ItemResult[] = []
  for (let start = 0; start < items.length; ) {
    let end = start + 1
    while (items[end - 1]?.linked && end < items.length) end += 1
    const chain = items.slice(start, end)
    results.push(...(chain.length === 1 ? chain.map((item) => applyItem(book, item)) : applyChain(book, chain)))
    start = end
  }
  return { results, written: book.finish() }
}

/** All or nothing. The refusals of a chain are as final as any other: each id has had its answer. */
function applyChain(book: Book, chain: readonly BatchItem[]): ItemResult[] {
  book.openChain()
  const results: ItemResult[] = []
  for (const item of chain) {
    const result = applyItem(book, item)
    results.push(result)
    if (!result.ok) break
  }
  if (results.every(({ ok }) => ok)) {
    book.keepChain()
    return results
  }
  book.undoChain()
  const failed = results[results.length - 1]
  const isFinal = failed !== undefined && !failed.ok && isDecided(failed.refusal)
  return chain.map((item, index) => {
    const result = results[index]
    if (result && (result.replayed || !result.ok)) return result.replayed ? result : keep(book, item, result)
    if (!isFinal)
      return { ...refuse('unavailable', 'An item that this one is linked with could not be decided.'), replayed: false }
    return keep(book, item, {
      ...refuse('conflict', 'An item that this one is linked with was refused.'),
      replayed: false,
    })
  })
}

/** Remembers the refusal of an item whose own effects were undone. */
function keep(book: Book, { op, key }: BatchItem, result: ItemResult): ItemResult {
  if (result.ok || result.behind || !isDecided(result.refusal)) return result
  if (op.type === 'hold' && !book.hold(op.holdId)) {
    book.place({ id: op.holdId, state: 'refused', content: op.content, refusal: result.refusal })
  }
  if (key && !book.answer(key)) book.remember({ ...key, outcome: { ok: false, refusal: result.refusal } })
  return result
}

function applyItem(book: Book, { op, key }: BatchItem): ItemResult {
  const first = key && book.answer(key)
  if (first) {
    if (Buffer.compare(first.requestHash, key.requestHash) === 0) return { ...first.outcome, replayed: true }
    const conflict = refuse('conflict', 'This idempotency key was already used for another request.')
    return { ...conflict, replayed: true }
  }
  const result = decide(book, op)
  if (key && (result.ok || isDecided(result.refusal))) {
    const { replayed: _, ...outcome } = result
    book.remember({ ...key, outcome })
  }
  return result
}

function decide(book: Book, op: BatchItem['op']): ItemResult {
  switch (op.type) {
    case 'hold': {
      const { outcome, replayed } = applyHold(book, op)
      return { ...outcome, replayed }
    }
    case 'release':
      return { ...applyRelease(book, op), replayed: false }
    case 'transfer':
      return { ...applyTransfer(book, op), replayed: false }
    case 'adjust':
      return { ...applyAdjust(book, op), replayed: false }
    case 'reverse':
      return { ...applyReverse(book, op), replayed: false }
    case 'settle':
      applySettle(book, op)
      return { ok: true, answer: {}, replayed: false }
    case 'refuse':
      return { ok: false, refusal: op.refusal, replayed: false }
  }
}
