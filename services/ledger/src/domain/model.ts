import type { ErrorDetails, ErrorKind } from '@bitka/kernel'

/** The exchange's own accounts: one of each per asset, made with the asset. */
export const systemNames = ['external', 'fees', 'rounding', 'rebates', 'custody_pending'] as const
export type SystemName = (typeof systemNames)[number]

export type Owner =
  | { readonly kind: 'user'; readonly id: string }
  | { readonly kind: 'system'; readonly id: SystemName }

export const user = (id: string): Owner => ({ kind: 'user', id })
export const system = (id: SystemName): Owner => ({ kind: 'system', id })

/** Names the one account of an owner in an asset. */
export const ownerKey = (owner: Owner, asset: string): string => `${owner.kind}/${owner.id}/${asset}`

/** What was issued of one asset in total can never be more than this, in minor units. */
export const MAX_SUPPLY = 10n ** 36n

export type Asset = { readonly symbol: string; readonly decimals: number; readonly isActive: boolean }

/** An account as one batch sees it: locked in the database, changed in memory, written back once. */
export type Account = {
  readonly id: string
  readonly owner: Owner
  readonly asset: string
  /** A frozen account takes no new holds and sends no transfers; what is already agreed is still settled. */
  readonly frozen: boolean
  available: bigint
  locked: bigint
  /** How many postings it has, and so the number of the last one. */
  postingCount: bigint
  /** Rises with every change. */
  version: bigint
}

export type HoldPurpose = 'order' | 'withdrawal' | 'amend'

/** What a hold was asked for. The same id with other content is another request. */
export type HoldContent = {
  readonly purpose: HoldPurpose
  readonly userId: string
  readonly asset: string
  readonly receiveAsset: string
  readonly symbol: string
  readonly amount: bigint
}

/**
 * What the ledger knows about a hold's id. `tombstone`: released before it was ever asked for, so the request that is
 * still on its way will be refused.
 */
export type Hold =
  | {
      readonly id: string
      readonly state: 'placed'
      readonly content: HoldContent
      readonly accountId: string
      remaining: bigint
      changeCount: number
      released: boolean
    }
  | { readonly id: string; readonly state: 'refused'; readonly content: HoldContent; readonly refusal: Refusal }
  | { readonly id: string; readonly state: 'tombstone'; readonly purpose: HoldPurpose }

export type PlacedHold = Extract<Hold, { state: 'placed' }>

/** How far a market's results are settled, and in which partition of the log they come. */
export type Position = { readonly symbol: string; commandSeq: bigint; resultNumber: bigint; partition: number }

export type TransactionKind = 'deposit' | 'withdrawal' | 'transfer' | 'trade' | 'adjustment' | 'reversal'
/** A fee is a side of its trade's transaction with a kind of its own. */
export type PostingKind = TransactionKind | 'fee'

/** Who had a transaction posted, and what they wrote. */
export type Note = {
  readonly author: string
  readonly description?: string
  readonly metadata?: Readonly<Record<string, unknown>>
}

/** A stored transaction that a reversal names by one of its sides. */
export type StoredTransaction = {
  readonly id: string
  readonly kind: TransactionKind
  readonly reversed: boolean
  readonly postings: readonly { readonly id: string; readonly accountId: string; readonly amount: bigint }[]
}

export type Refusal = { readonly kind: ErrorKind; readonly message: string; readonly details?: ErrorDetails }

/** What a successful item leads to: the side of the account it named, or what a release set free. */
export type Answer = { readonly postingId?: string; readonly released?: bigint }

export type Outcome =
  | { readonly ok: true; readonly answer: Answer }
  /** `behind`: the refusal is not final, since settlement has not come as far as this user was shown. */
  | { readonly ok: false; readonly refusal: Refusal; readonly behind?: true }

/** The key under which an answer is kept for good. */
export type AnswerKey = {
  readonly scope: string
  readonly userId: string
  readonly key: string
  readonly requestHash: Uint8Array
}

export const answerKeyText = ({ scope, userId, key }: Omit<AnswerKey, 'requestHash'>): string =>
  `${scope}\u0000${userId}\u0000${key}`

export type StoredAnswer = AnswerKey & { readonly outcome: Outcome }
