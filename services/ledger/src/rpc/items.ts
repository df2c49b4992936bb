import { DomainError, invalidField, isUuid, MAX_MINOR, minorFromWire } from '@bitka/kernel'
import type { ItemError } from '@bitka/proto/bitka/common/v1/common_pb'
import { type HoldItem, HoldPurpose } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { HoldOp } from '../domain/items.ts'
import type { HoldPurpose as Purpose, Refusal } from '../domain/model.ts'

/** The most items in one call. */
const ITEMS_MAX = 1_000

export function checkCount(count: number): void {
  if (count > ITEMS_MAX) throw invalidField('items', `must be at most ${ITEMS_MAX}`)
}

/** Purposes by the service that decides about them: order's alone have callers so far. */
export function readPurpose(purpose: HoldPurpose): Purpose {
  if (purpose === HoldPurpose.ORDER) return 'order'
  throw new DomainError('forbidden', 'The calling service does not decide about holds of this purpose.')
}

export function readHoldId(holdId: string): string {
  if (!isUuid(holdId)) throw invalidField('hold_id', 'must be a UUID')
  // As the database writes it.
  return holdId.toLowerCase()
}

export function readHold(item: HoldItem): HoldOp {
  const amount = minorFromWire(item.amount)
  if (amount <= 0n) throw invalidField('amount', 'must be greater than zero')
  if (amount > MAX_MINOR) throw invalidField('amount', 'is too large')
  if (!isUuid(item.userId)) throw invalidField('user_id', 'must be a UUID')
  if (item.symbol === '') throw invalidField('symbol', 'must be the order’s market')
  return {
    type: 'hold',
    holdId: readHoldId(item.holdId),
    content: {
      purpose: readPurpose(item.purpose),
      userId: item.userId.toLowerCase(),
      asset: item.asset,
      receiveAsset: item.receiveAsset,
      symbol: item.symbol,
      amount,
    },
    shown: item.shown.map(({ symbol, resultNumber }) => ({ symbol, resultNumber })),
  }
}

type ItemErrorInit = Pick<ItemError, 'kind' | 'message'> & { details: { field: string; reason: string }[] }

export const toItemError = ({ kind, message, details = {} }: Refusal): ItemErrorInit => ({
  kind,
  message,
  details: Object.entries(details).map(([field, reason]) => ({ field, reason })),
})

/** Does one item of a call; a refusal is the item's own, anything else is the whole call's. */
export async function refusedApart<T>(run: () => Promise<T>): Promise<T | { error: ItemErrorInit }> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof DomainError) return { error: toItemError(error) }
    throw error
  }
}
