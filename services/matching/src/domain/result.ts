import type { MarketDefinition, MarketStatus, Side } from './command.ts'

/** Why an order never entered. The numbers are the engine's inner codes and never leave it. */
export const RejectCode = {
  invalid: 0,
  market_halted: 1,
  expired: 2,
  post_only_would_take: 3,
  no_liquidity: 4,
  price_band: 5,
  trigger_passed: 6,
} as const
export type RejectReason = keyof typeof RejectCode
export const rejectReasons = Object.keys(RejectCode) as RejectReason[]

/** Why an order that had entered is closed. */
export const CloseCode = {
  filled: 0,
  user: 1,
  ioc: 2,
  fok: 3,
  expired: 4,
  self_trade: 5,
  no_liquidity: 6,
  price_band: 7,
  dead_man: 8,
  market_closed: 9,
} as const
export type CloseReason = keyof typeof CloseCode
export const closeReasons = Object.keys(CloseCode) as CloseReason[]

type Base = {
  /** The result's number: gap-free per market, from 1. */
  readonly number: number
  /** The command that it comes from. */
  readonly seq: number
  /** The engine's time. */
  readonly timeMs: number
}

type OfOrder = { readonly orderId: string; readonly userId: string }

export type MarketDefined = Base & { readonly kind: 'market_defined'; readonly market: MarketDefinition }

/** A definition that cannot be, or that changes what may not change. The market stays as it was. */
export type DefinitionRejected = Base & { readonly kind: 'definition_rejected'; readonly market: MarketDefinition }

export type StatusChanged = Base & { readonly kind: 'status_changed'; readonly status: MarketStatus }

export type Accepted = Base &
  OfOrder & {
    readonly kind: 'accepted'
    readonly side: Side
    /** 0 for a market order. */
    readonly priceTicks: number
    /** 0 for a market buy by amount. */
    readonly quantityLots: number
    /** What the order needs from now on: quote minor units for a buy, base minor units for a sell. */
    readonly holdAfter: bigint
  }

export type Rejected = Base & OfOrder & { readonly kind: 'rejected'; readonly reason: RejectReason }

/** One side of a trade. Every amount is in minor units, computed here and only copied by others. */
export type TradeParty = OfOrder & {
  /** Quote paid by the buyer or received by the seller; the two may differ by the rounding. */
  readonly quote: bigint
  readonly fee: bigint
  /** The asset received, which the fee is taken from: base for the buyer, quote for the seller. */
  readonly feeAsset: 'base' | 'quote'
  readonly holdAfter: bigint
  readonly filledLots: number
  /** 0 for a market buy by amount. */
  readonly remainingLots: number
}

export type Trade = Base & {
  readonly kind: 'trade'
  /** Gap-free per market, from 1. */
  readonly tradeNumber: number
  readonly ticks: number
  readonly lots: number
  readonly takerSide: Side
  /** Base that changes hands, in minor units. */
  readonly base: bigint
  /** Paid − received: what goes to the account `rounding`. One trade may take from it, the total never falls below 0. */
  readonly rounding: bigint
  readonly maker: TradeParty
  readonly taker: TradeParty
}

/** Self-trade prevention took `lots` off an order that stays. */
export type Reduced = Base &
  OfOrder & {
    readonly kind: 'reduced'
    readonly lots: number
    readonly filledLots: number
    readonly remainingLots: number
    readonly holdAfter: bigint
  }

/** The end of an accepted order: every one has exactly one of these. */
export type Closed = Base &
  OfOrder & {
    readonly kind: 'closed'
    readonly reason: CloseReason
    readonly filledLots: number
    /** What was still open when it closed, and will not trade. */
    readonly remainingLots: number
    readonly holdAfter: 0n
  }

/**
 * Nothing happened to the order that the command names. `unknown_order`: it is not open. `order_open`: a record that does not
 * decode, or a second new_order, names an order that is open; it stays as it was.
 */
export type CancelRejected = Base & {
  readonly kind: 'cancel_rejected'
  readonly orderId: string
  readonly reason: 'unknown_order' | 'order_open'
}

/** A cancel_all is done; its orders' `closed` results come before it. */
export type AllCancelled = Base & { readonly kind: 'all_cancelled'; readonly userId: string; readonly orders: number }

/** A price and what rests there; 0 lots: the level is gone. */
export type Level = { readonly ticks: number; readonly lots: number }

/** Every level that the command changed, best price first. */
export type BookChanged = Base & {
  readonly kind: 'book'
  /** The book's own number, gap-free per market, from 1. */
  readonly bookSeq: number
  readonly bids: readonly Level[]
  readonly asks: readonly Level[]
}

export type Result =
  | MarketDefined
  | DefinitionRejected
  | StatusChanged
  | Accepted
  | Rejected
  | Trade
  | Reduced
  | Closed
  | CancelRejected
  | AllCancelled
  | BookChanged

/** What one command did. Prices are in ticks, null where there is none. */
export type Outcome = {
  /** `duplicate`: the seq was applied before; there are no results and nothing changed. */
  readonly status: 'applied' | 'duplicate'
  readonly seq: number
  readonly timeMs: number
  readonly results: readonly Result[]
  readonly bestBid: number | null
  readonly bestAsk: number | null
  readonly lastTrade: number | null
}
