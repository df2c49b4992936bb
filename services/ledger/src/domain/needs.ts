import type { BatchItem, SettleOp } from './items.ts'
import { type Owner, ownerKey, type SystemName, system, user } from './model.ts'

/** What never changes about a hold, enough to know which accounts a batch touches. */
export type HoldFacts = {
  readonly accountId?: string
  readonly userId?: string
  readonly receiveAsset?: string
  readonly asset?: string
}

export type OwnedAccount = {
  readonly owner: Owner
  readonly asset: string
  /** Made when it is missing: whoever receives gets an account. */
  readonly create: boolean
}

/** The accounts that a batch may change or look at. */
export type AccountNeeds = { readonly ids: ReadonlySet<string>; readonly owned: readonly OwnedAccount[] }

/** Holds that decide which accounts are touched, so they are looked up before the accounts are locked. */
export function holdIdsBefore(items: readonly BatchItem[]): string[] {
  const ids = new Set<string>()
  for (const { op } of items) {
    if (op.type === 'release') ids.add(op.holdId)
    if (op.type === 'settle') for (const id of orderIdsOf(op)) ids.add(id)
  }
  return [...ids]
}

/** Every hold that the items name. */
export function holdIds(items: readonly BatchItem[]): string[] {
  const ids = new Set(holdIdsBefore(items))
  for (const { op } of items) if (op.type === 'hold') ids.add(op.holdId)
  return [...ids]
}

function* orderIdsOf({ results }: SettleOp): Generator<string> {
  for (const result of results) {
    if (result.type === 'trade') {
      yield result.buyer.orderId
      yield result.seller.orderId
    } else if (result.type !== 'other') yield result.orderId
  }
}

/** The assets whose rows the items need. */
export function assetsOf(items: readonly BatchItem[]): string[] {
  const symbols = new Set<string>()
  for (const { op } of items) {
    if (op.type === 'hold') symbols.add(op.content.asset).add(op.content.receiveAsset)
    if (op.type === 'transfer' || op.type === 'adjust') symbols.add(op.asset)
  }
  return [...symbols]
}

/** Markets up to whose shown results a hold must have been settled before it may be refused. */
export function shownMarkets(items: readonly BatchItem[]): string[] {
  return [...new Set(items.flatMap(({ op }) => (op.type === 'hold' ? op.shown.map(({ symbol }) => symbol) : [])))]
}

/** The markets that the items settle, with their partitions. */
export function settledMarkets(items: readonly BatchItem[]): Map<string, number> {
  const markets = new Map<string, number>()
  for (const { op } of items) if (op.type === 'settle') markets.set(op.symbol, op.partition)
  return markets
}

/**
 * Which accounts a batch touches, given the facts about `holdIdsBefore` and the accounts of the transactions that are to
 * be reversed, by the side that names them.
 */
export function accountNeeds(
  items: readonly BatchItem[],
  holds: ReadonlyMap<string, HoldFacts>,
  reversible: ReadonlyMap<string, readonly string[]>,
): AccountNeeds {
  const ids = new Set<string>()
  const owned = new Map<string, OwnedAccount>()
  const own = (owner: Owner, asset: string, create = false): void => {
    const key = ownerKey(owner, asset)
    if (create || !owned.has(key)) owned.set(key, { owner, asset, create })
  }
  // By id, of which two items may name the same: which of them places it is not known before the batch is run.
  const placedHere = new Map<string, HoldFacts[]>()
  const ofHold = (holdId: string): readonly HoldFacts[] => {
    const hold = holds.get(holdId)
    if (hold?.accountId !== undefined) ids.add(hold.accountId)
    return hold ? [hold] : (placedHere.get(holdId) ?? [])
  }
  for (const { op } of items) {
    if (op.type === 'hold') {
      own(user(op.content.userId), op.content.asset)
      placedHere.set(op.holdId, [...(placedHere.get(op.holdId) ?? []), op.content])
    }
    if (op.type === 'release') ofHold(op.holdId)
    if (op.type === 'transfer') {
      ids.add(op.accountId)
      own(user(op.toUserId), op.asset, true)
    }
    if (op.type === 'adjust') {
      ids.add(op.accountId)
      own(system('external'), op.asset)
    }
    if (op.type === 'reverse') for (const id of reversible.get(op.postingId) ?? []) ids.add(id)
    if (op.type === 'settle') settleNeeds(op, ofHold, own)
  }
  return { ids, owned: [...owned.values()] }
}

function settleNeeds(
  { results }: SettleOp,
  ofHold: (holdId: string) => readonly HoldFacts[],
  own: (owner: Owner, asset: string, create?: boolean) => void,
): void {
  const receives = (hold: HoldFacts, fee: bigint): void => {
    if (hold.userId === undefined || hold.receiveAsset === undefined) return
    own(user(hold.userId), hold.receiveAsset, true)
    const counter: SystemName = fee > 0n ? 'fees' : 'rebates'
    if (fee !== 0n) own(system(counter), hold.receiveAsset)
  }
  for (const result of results) {
    if (result.type === 'closed' || result.type === 'rejected' || result.type === 'reduced') ofHold(result.orderId)
    if (result.type !== 'trade') continue
    const isRounded = result.buyer.quoteAmount !== result.seller.quoteAmount
    for (const buyer of ofHold(result.buyer.orderId)) {
      receives(buyer, result.buyer.fee)
      if (buyer.asset !== undefined && isRounded) own(system('rounding'), buyer.asset)
    }
    for (const seller of ofHold(result.seller.orderId)) receives(seller, result.seller.fee)
  }
}
