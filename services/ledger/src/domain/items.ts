import type { AnswerKey, HoldContent, HoldPurpose, Note, Refusal } from './model.ts'

export type MarketPosition = { readonly symbol: string; readonly resultNumber: bigint }

export type HoldOp = {
  readonly type: 'hold'
  readonly holdId: string
  readonly content: HoldContent
  /** Funds are called insufficient only when settlement has come this far. */
  readonly shown: readonly MarketPosition[]
}

/** Sets all that is left of a hold free; of an unknown one it leaves a tombstone. */
export type ReleaseOp = { readonly type: 'release'; readonly holdId: string; readonly purpose: HoldPurpose }

export type TransferOp = {
  readonly type: 'transfer'
  readonly accountId: string
  readonly asset: string
  readonly toUserId: string
  readonly amount: bigint
  readonly note: Note
}

/** Money enters or leaves the exchange: the other side is `external`. */
export type AdjustOp = {
  readonly type: 'adjust'
  readonly direction: 'credit' | 'debit'
  readonly accountId: string
  readonly asset: string
  readonly amount: bigint
  /** The decimals with which the amount was read. */
  readonly decimals: number
  readonly note: Note
}

export type ReverseOp = { readonly type: 'reverse'; readonly postingId: string; readonly note: Note }

/** One order's part in a trade, copied from the engine's result. */
export type Party = {
  readonly orderId: string
  readonly quoteAmount: bigint
  readonly fee: bigint
  readonly holdAfter: bigint
}

export type SettleResult = { readonly number: bigint } & (
  | {
      readonly type: 'trade'
      readonly tradeNumber: bigint
      readonly baseAmount: bigint
      readonly buyer: Party
      readonly seller: Party
    }
  | { readonly type: 'reduced'; readonly orderId: string; readonly holdAfter: bigint }
  | { readonly type: 'closed' | 'rejected'; readonly orderId: string }
  /** Moves no money. */
  | { readonly type: 'other' }
)

/** Everything that one command of a market led to. */
export type SettleOp = {
  readonly type: 'settle'
  readonly symbol: string
  readonly partition: number
  readonly commandSeq: bigint
  readonly results: readonly SettleResult[]
}

/** Decided before the batch; here only to be remembered under its key. */
type RefuseOp = { readonly type: 'refuse'; readonly refusal: Refusal }

export type Op = HoldOp | ReleaseOp | TransferOp | AdjustOp | ReverseOp | SettleOp | RefuseOp

export type BatchItem = {
  readonly op: Op
  /** With a key the answer is kept for good, and the same key gets it again. */
  readonly key?: AnswerKey
  /** Succeeds or fails together with the next item. */
  readonly linked?: boolean
}
