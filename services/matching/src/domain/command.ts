export const marketStatuses = ['pre_open', 'trading', 'cancel_only', 'halted', 'delisted'] as const
export type MarketStatus = (typeof marketStatuses)[number]

/** What the log says a market is. Symbol, assets, tick and lot never change once the market has had an order. */
export type MarketDefinition = {
  readonly symbol: string
  readonly baseAsset: string
  readonly quoteAsset: string
  readonly baseDecimals: number
  readonly quoteDecimals: number
  /** One tick of price, a decimal string in quote. It may have more decimals than the quote asset. */
  readonly tickSize: string
  /** One lot of quantity, a decimal string in base: a whole number of base minor units. */
  readonly lotSize: string
  /** How far from the reference a market order may trade, 0 to 10 000. */
  readonly priceBandBps: number
  readonly status: MarketStatus
  /** The rest is for others: the engine keeps it and repeats it, and does nothing by it. */
  readonly minQuantity: string
  readonly maxQuantity: string
  readonly minNotional: string
  readonly makerFeeBps: number
  readonly takerFeeBps: number
  readonly partition: number
}

export type Side = 'buy' | 'sell'
export type OrderType = 'limit' | 'market'
export type TimeInForce = 'GTC' | 'IOC' | 'FOK'

/** What happens when an order meets one of the same user. The incoming order's choice counts. */
export const Stp = { cancel_newest: 0, cancel_oldest: 1, cancel_both: 2, decrement_and_cancel: 3 } as const
export type SelfTradePrevention = keyof typeof Stp

type Base = {
  /** command_seq: gap-free per market, from 1. */
  readonly seq: number
  /** When the command was written. The engine's time never goes back, whatever this says. */
  readonly timeMs: number
}

/** Creates the market, or changes what may change. */
export type DefineMarket = Base & { readonly kind: 'define_market'; readonly market: MarketDefinition }

export type SetStatus = Base & { readonly kind: 'set_status'; readonly status: MarketStatus }

export type NewOrder = Base & {
  readonly kind: 'new_order'
  readonly orderId: string
  readonly userId: string
  readonly side: Side
  readonly type: OrderType
  /** A market order never rests: GTC and IOC mean the same for it. */
  readonly timeInForce: TimeInForce
  /** The limit in ticks; 0 for a market order. */
  readonly priceTicks: number
  /** Lots to trade. 0 only for a market buy by amount, which spends at most `maxQuote`. */
  readonly quantityLots: number
  readonly postOnly: boolean
  readonly stp: SelfTradePrevention
  readonly makerFeeBps: number
  readonly takerFeeBps: number
  /** Every buy: the amount held for it, in quote minor units. The engine never fills past it. 0 for a sell. */
  readonly maxQuote: bigint
  /** The last moment at which the order may still enter; 0 for none. */
  readonly validUntilMs: number
}

/** The reasons that a cancel command may give. */
export const cancelReasons = ['user', 'expired', 'dead_man'] as const
export type CancelReason = (typeof cancelReasons)[number]

export type CancelOrder = Base & {
  readonly kind: 'cancel_order'
  readonly orderId: string
  readonly reason: CancelReason
}

/** Cancels every order of one user in this market. */
export type CancelAll = Base & { readonly kind: 'cancel_all'; readonly userId: string; readonly reason: CancelReason }

/** Stands for a record that did not decode; made by the service from the record's headers. `userId` may be empty. */
export type Reject = Base & { readonly kind: 'reject'; readonly orderId: string; readonly userId: string }

export type Command = DefineMarket | SetStatus | NewOrder | CancelOrder | CancelAll | Reject
