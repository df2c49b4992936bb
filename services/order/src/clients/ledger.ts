import { DomainError, type ErrorKind, errorKinds } from '@bitka/kernel'
import type { Client, OutgoingContext } from '@bitka/mesh'
import type { ItemError } from '@bitka/proto/bitka/common/v1/common_pb'
import { HoldPurpose, type LedgerPostingService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { AssetFacts } from '../domain/define.ts'
import type { Order } from '../domain/order.ts'

export type LedgerClient = Client<typeof LedgerPostingService>

/** How far a market has been shown, and the assets that its trades move. */
export type Shown = { symbol: string; baseAsset: string; quoteAsset: string; resultNumber: bigint }

/** The most items that the ledger takes in one call. */
const BATCH_MAX = 1_000

const kindOf = (kind: string): ErrorKind => errorKinds.find((known) => known === kind) ?? 'internal'

const toError = ({ kind, message, details }: ItemError): DomainError =>
  new DomainError(kindOf(kind), message, Object.fromEntries(details.map(({ field, reason }) => [field, reason])))

/**
 * Has the funds of orders set aside, and answers what was refused, by order id. Safe to repeat. A refusal of kind
 * unavailable says that nothing is known about that order.
 */
export async function holdFunds(
  ledger: LedgerClient,
  orders: readonly Order[],
  shown: readonly Shown[],
  options: { deadlineMs: number; ctx?: OutgoingContext },
): Promise<Map<string, DomainError>> {
  const refusals = new Map<string, DomainError>()
  for (let at = 0; at < orders.length; at += BATCH_MAX) {
    const batch = orders.slice(at, at + BATCH_MAX)
    const answer = await ledger.hold({ items: batch.map((order) => toItem(order, shown)) }, options)
    batch.forEach(({ id }, index) => {
      const result = answer.results[index]
      if (!result) refusals.set(id, new DomainError('unavailable', 'The ledger gave no answer. Try again shortly.'))
      else if (result.error) refusals.set(id, toError(result.error))
    })
  }
  return refusals
}

const toItem = (order: Order, shown: readonly Shown[]) => ({
  holdId: order.id,
  purpose: HoldPurpose.ORDER,
  userId: order.userId,
  asset: order.holdAsset,
  receiveAsset: order.receiveAsset,
  symbol: order.symbol,
  amount: String(order.holdAmount),
  // Only trades of these markets can have brought the asset that is to be held.
  shown: shown
    .filter(({ baseAsset, quoteAsset }) => baseAsset === order.holdAsset || quoteAsset === order.holdAsset)
    .map(({ symbol, resultNumber }) => ({ symbol, resultNumber })),
})

/** Gives up the holds of orders that never had a command; answers those that are settled for good. */
export async function releaseHolds(
  ledger: LedgerClient,
  orderIds: readonly string[],
  deadlineMs: number,
): Promise<{ released: string[]; refused: { id: string; error: DomainError }[] }> {
  const items = orderIds.map((holdId) => ({ holdId, purpose: HoldPurpose.ORDER }))
  const { results } = await ledger.release({ items }, { deadlineMs })
  const refused = orderIds.flatMap((id, index) => {
    const error = results[index]?.error
    return error ? [{ id, error: toError(error) }] : []
  })
  const failed = new Set(refused.map(({ id }) => id))
  return { released: orderIds.filter((id, index) => results[index] !== undefined && !failed.has(id)), refused }
}

/** What the ledger says about assets; unknown ones are left out. */
export async function readAssets(
  ledger: LedgerClient,
  symbols: readonly string[],
  options: Parameters<LedgerClient['batchGetAssets']>[1],
): Promise<AssetFacts[]> {
  const { assets } = await ledger.batchGetAssets({ symbols: [...symbols] }, options)
  return assets.map(({ symbol, decimals, isActive }) => ({ symbol, decimals, isActive }))
}
