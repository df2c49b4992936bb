import { assert } from '@bitka/kernel'
import type { Book } from './book.ts'
import type { AdjustOp, ReverseOp, TransferOp } from './items.ts'
import { type Account, MAX_SUPPLY, type Outcome, system, user } from './model.ts'
import { accountFrozen, accountNotFound, assetInactive, insufficientFunds, refuse } from './refusals.ts'

/** From a user to a user, out of what is available. */
export function applyTransfer(book: Book, op: TransferOp): Outcome {
  const from = book.accountById(op.accountId)
  if (from?.owner.kind !== 'user' || from.asset !== op.asset) return accountNotFound()
  assert(op.amount > 0n, 'a transfer is above zero')
  assert(from.owner.id !== op.toUserId, 'a transfer has two owners')
  if (!book.asset(op.asset)?.isActive) return assetInactive()
  if (from.frozen) return accountFrozen()
  if (from.available < op.amount) return insufficientFunds()
  const to = book.need(user(op.toUserId), op.asset)
  const txId = book.begin({ kind: 'transfer', note: op.note })
  book.change(from, -op.amount, 0n)
  const sent = book.post(txId, from, 'transfer', -op.amount)
  book.change(to, op.amount, 0n)
  const received = book.post(txId, to, 'transfer', op.amount, sent.id)
  sent.relatedId = received.id
  book.balanced(txId)
  book.announce({
    type: 'transferred',
    postingId: sent.id,
    accountId: from.id,
    userId: from.owner.id,
    toUserId: op.toUserId,
    asset: op.asset,
    amount: op.amount,
    description: op.note.description,
  })
  return { ok: true, answer: { postingId: sent.id } }
}

/** Into or out of a user's account, against `external`, so that money never appears from nowhere. */
export function applyAdjust(book: Book, op: AdjustOp): Outcome {
  const account = book.accountById(op.accountId)
  if (account?.owner.kind !== 'user' || account.asset !== op.asset) return accountNotFound()
  assert(op.amount > 0n, 'an adjustment is above zero')
  if (book.asset(op.asset)?.decimals !== op.decimals) {
    return refuse('unavailable', 'The asset was changed meanwhile. Try again.')
  }
  const external = book.need(system('external'), op.asset)
  const amount = op.direction === 'credit' ? op.amount : -op.amount
  if (account.available + amount < 0n) return insufficientFunds()
  if (exceedsSupply(external, -amount)) return supplyExceeded()
  const txId = book.begin({ kind: 'adjustment', note: op.note })
  book.change(account, amount, 0n)
  const side = book.post(txId, account, 'adjustment', amount)
  book.change(external, -amount, 0n)
  book.post(txId, external, 'adjustment', -amount)
  book.balanced(txId)
  book.announce({
    type: op.direction === 'credit' ? 'deposited' : 'withdrawn',
    postingId: side.id,
    accountId: account.id,
    userId: account.owner.id,
    asset: op.asset,
    amount: op.amount,
  })
  return { ok: true, answer: { postingId: side.id } }
}

/** Undoes a transaction by a new one with every side turned around, once. */
export function applyReverse(book: Book, { postingId, note }: ReverseOp): Outcome {
  const original = book.stored(postingId)
  if (!original) return refuse('not_found', 'There is no such transaction.')
  if (original.kind === 'trade' || original.kind === 'reversal') {
    return refuse('conflict', `A ${original.kind} cannot be reversed.`)
  }
  if (book.isReversed(original)) return refuse('conflict', 'The transaction was already reversed.')
  const sides = original.postings.map((posting) => {
    const account = book.accountById(posting.accountId)
    assert(account, 'the accounts of a reversed transaction were loaded')
    return { account, amount: -posting.amount, reverses: posting.id }
  })
  for (const { account, amount } of sides) {
    if (account.owner.kind === 'user' && account.available + amount < 0n) return insufficientFunds()
    if (account.owner.id === 'external' && exceedsSupply(account, amount)) return supplyExceeded()
  }
  const txId = book.begin({ kind: 'reversal', note, reversesTxId: original.id })
  let named: string | undefined
  for (const { account, amount, reverses } of sides) {
    book.change(account, amount, 0n)
    const posting = book.post(txId, account, 'reversal', amount, reverses)
    if (reverses === postingId) named = posting.id
  }
  book.balanced(txId)
  return { ok: true, answer: { postingId: named } }
}

/** `external` owes what was issued: a change below zero issues more. */
const exceedsSupply = (external: Account, change: bigint): boolean =>
  change < 0n && -(external.available + change) > MAX_SUPPLY

const supplyExceeded = (): Outcome => refuse('conflict', 'There would be more of this asset than the ledger can count.')
