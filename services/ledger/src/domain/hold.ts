import type { Book } from './book.ts'
import type { HoldOp, ReleaseOp } from './items.ts'
import { type HoldContent, type Outcome, user } from './model.ts'
import { accountFrozen, assetInactive, insufficientFunds, isDecided, refuse } from './refusals.ts'

const PLACED: Outcome = { ok: true, answer: {} }

/** Sets funds aside for an id that has had no answer yet. A final refusal is its answer for good. */
export function applyHold(book: Book, op: HoldOp): Outcome {
  const outcome = decide(book, op)
  if (!outcome.ok && !outcome.behind && isDecided(outcome.refusal)) {
    book.place({ id: op.holdId, state: 'refused', content: op.content, refusal: outcome.refusal })
  }
  return outcome
}

/** What the id's first request was answered; undefined when this is the first. */
export function repeatedHold(book: Book, { holdId, content }: HoldOp): Outcome | undefined {
  const known = book.hold(holdId)
  if (!known) return undefined
  if (known.state === 'tombstone' || (known.state === 'placed' && known.released)) {
    return refuse('conflict', 'This hold was released.')
  }
  if (!sameContent(known.content, content)) return refuse('conflict', 'There is another hold with this id.')
  return known.state === 'placed' ? PLACED : { ok: false, refusal: known.refusal }
}

function decide(book: Book, { holdId, content, shown }: HoldOp): Outcome {
  const asset = book.asset(content.asset)
  if (content.amount <= 0n)
    return refuse('invalid', 'A hold must be above zero.', { amount: 'must be greater than zero' })
  if (!asset) return refuse('invalid', 'There is no such asset.', { asset: 'is unknown' })
  if (content.purpose === 'order' && !book.asset(content.receiveAsset)) {
    return refuse('invalid', 'There is no such asset.', { receive_asset: 'is unknown' })
  }
  if (!asset.isActive) return assetInactive()
  const account = book.accountOf(user(content.userId), content.asset)
  if (account?.frozen) return accountFrozen()
  if (!account || account.available < content.amount) {
    const isBehind = shown.some(
      ({ symbol, resultNumber }) => (book.position(symbol)?.resultNumber ?? 0n) < resultNumber,
    )
    return isBehind ? behind() : insufficientFunds()
  }
  book.place({ id: holdId, state: 'placed', content, accountId: account.id }, account)
  return PLACED
}

/** What the user was shown may have freed the funds: not the moment to say that they are missing. */
const behind = (): Outcome => ({
  ok: false,
  refusal: { kind: 'unavailable', message: 'Recent trades are still being settled. Try again shortly.' },
  behind: true,
})

const sameContent = (a: HoldContent, b: HoldContent): boolean =>
  a.purpose === b.purpose &&
  a.userId === b.userId &&
  a.asset === b.asset &&
  a.receiveAsset === b.receiveAsset &&
  a.symbol === b.symbol &&
  a.amount === b.amount

/** Sets all that is left free. What is unknown gets a tombstone; what has nothing left releases nothing. */
export function applyRelease(book: Book, { holdId, purpose }: ReleaseOp): Outcome {
  const known = book.hold(holdId)
  if (!known) {
    book.place({ id: holdId, state: 'tombstone', purpose })
    return released(0n)
  }
  const knownPurpose = known.state === 'tombstone' ? known.purpose : known.content.purpose
  if (knownPurpose !== purpose) return refuse('conflict', 'This hold has another purpose.')
  return released(known.state === 'placed' ? book.setHold(known, 0n, 'release') : 0n)
}

const released = (amount: bigint): Outcome => ({ ok: true, answer: { released: amount } })
