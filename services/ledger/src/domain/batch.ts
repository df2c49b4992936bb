import { Book, type Loaded, type Written } from './book.ts'
import { applyHold, applyRelease, repeatedHold } from './hold.ts'
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
  const failed = results.at(-1)
  const isFinal = failed !== undefined && !failed.ok && isDecided(failed.refusal)
  const together = isFinal
    ? refuse('conflict', 'An item that this one is linked with was refused.')
    : refuse('unavailable', 'An item that this one is linked with could not be decided.')
  // Asked again after the chain was undone: what one of its items answered to another may be gone.
  return chain.map((item, index) => {
    const own = results[index]
    return repeated(book, item) ?? keep(book, item, own && !own.ok ? own : { ...together, replayed: false })
  })
}

/** Remembers the refusal of an item whose own effects were undone. */
function keep(book: Book, { op, key }: BatchItem, result: ItemResult): ItemResult {
  if (result.ok || result.behind || !isDecided(result.refusal)) return result
  if (op.type === 'hold') book.place({ id: op.holdId, state: 'refused', content: op.content, refusal: result.refusal })
  if (key) book.remember({ ...key, outcome: { ok: false, refusal: result.refusal } })
  return result
}

/** The answer that was given before, under the item's key or to its hold; undefined when it is new. */
function repeated(book: Book, { op, key }: BatchItem): ItemResult | undefined {
  const first = key && book.answer(key)
  if (first) {
    const isSame = Buffer.compare(first.requestHash, key.requestHash) === 0
    const conflict = refuse('conflict', 'This idempotency key was already used for another request.')
    return { ...(isSame ? first.outcome : conflict), replayed: true }
  }
  const outcome = op.type === 'hold' ? repeatedHold(book, op) : undefined
  return outcome && { ...outcome, replayed: true }
}

function applyItem(book: Book, item: BatchItem): ItemResult {
  const first = repeated(book, item)
  if (first) return first
  const outcome = decide(book, item.op)
  if (item.key && (outcome.ok || isDecided(outcome.refusal))) book.remember({ ...item.key, outcome })
  return { ...outcome, replayed: false }
}

function decide(book: Book, op: BatchItem['op']): Outcome {
  switch (op.type) {
    case 'hold':
      return applyHold(book, op)
    case 'release':
      return applyRelease(book, op)
    case 'transfer':
      return applyTransfer(book, op)
    case 'adjust':
      return applyAdjust(book, op)
    case 'reverse':
      return applyReverse(book, op)
    case 'settle':
      applySettle(book, op)
      return { ok: true, answer: {} }
    case 'refuse':
      return { ok: false, refusal: op.refusal }
  }
}
