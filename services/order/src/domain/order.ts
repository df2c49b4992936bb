import { assert } from '@bitka/kernel'
import { CancelReason, type RejectReason } from '@bitka/proto/bitka/common/v1/market_pb'
import { CloseReason } from '@bitka/proto/bitka/events/v1/trading_pb'
import { OrderStatus } from '@bitka/proto/bitka/order/v1/order_pb'
import type { Plan } from './place.ts'

/**
 * `pending`: stored, funds perhaps held, no command yet. `submitted`: its command is in the outbox. The states after that
 * come from the engine alone. `dead`: it never became an order, and is shown nowhere.
 */
export type OrderState =
  | 'pending'
  | 'submitted'
  | 'open'
  | 'partially_filled'
  | 'filled'
  | 'cancelled'
  | 'rejected'
  | 'dead'

export const liveStates: readonly OrderState[] = ['pending', 'submitted', 'open', 'partially_filled']

export type Order = Plan & {
  id: string
  userId: string
  filledLots: bigint
  /** Taken off by self-trade prevention. */
  reducedLots: bigint
  /** Quote paid or received so far, in minor units. */
  quoteTotal: bigint
  state: OrderState
  cancelReason: CancelReason | null
  rejectReason: RejectReason | null
  /** Rises with every change. */
  revision: bigint
  commandSeq: bigint | null
  /** The cancel command that is on its way. */
  cancelSeq: bigint | null
  createdAt: Date
  updatedAt: Date
}

export const isLive = ({ state }: Pick<Order, 'state'>): boolean => liveStates.includes(state)

const shown: Record<Exclude<OrderState, 'dead'>, OrderStatus> = {
  pending: OrderStatus.PENDING,
  submitted: OrderStatus.PENDING,
  open: OrderStatus.OPEN,
  partially_filled: OrderStatus.PARTIALLY_FILLED,
  filled: OrderStatus.FILLED,
  cancelled: OrderStatus.CANCELLED,
  rejected: OrderStatus.REJECTED,
}

/** The status that callers see. */
export function statusOf(order: Pick<Order, 'state'>): OrderStatus {
  assert(order.state !== 'dead', 'a dead order is shown to nobody')
  return shown[order.state]
}

/** The states behind a status; empty for an unknown one. */
export const statesOf = (status: OrderStatus): OrderState[] =>
  (Object.keys(shown) as (keyof typeof shown)[]).filter((state) => shown[state] === status)

/** What is left: what the book still has of an open order, quantity − filled of a closed one. */
export const remainingLots = (order: Order): bigint =>
  order.quantityLots - order.filledLots - (isLive(order) ? order.reducedLots : 0n)

const inEngine = ({ state }: Order): boolean => state === 'open' || state === 'partially_filled'

/** The engine took the order. */
export function accepted(order: Order): Order {
  assert(order.state === 'submitted', `an order that is ${order.state} is not accepted`)
  return { ...order, state: 'open' }
}

/**
 * The engine refused the order. It forgets what is closed, so it also says this about a later record that cannot be read, such
 * as a cancel: the order stays what it was.
 */
export function rejected(order: Order, reason: RejectReason): Order {
  if (!isLive(order)) return { ...order, cancelSeq: null }
  assert(order.state === 'submitted', `an order that is ${order.state} is not rejected`)
  return { ...order, state: 'rejected', rejectReason: reason, cancelSeq: null }
}

/** Part of it traded; the numbers are the engine's. */
export function traded(order: Order, fill: { filledLots: bigint; quoteAmount: bigint }): Order {
  assert(inEngine(order), `an order that is ${order.state} does not trade`)
  assert(fill.filledLots > order.filledLots, 'a trade fills more of the order')
  assert(fill.filledLots + order.reducedLots <= order.quantityLots, 'no more trades than was ordered')
  return {
    ...order,
    state: 'partially_filled',
    filledLots: fill.filledLots,
    quoteTotal: order.quoteTotal + fill.quoteAmount,
  }
}

/** Self-trade prevention made it smaller. */
export function reduced(order: Order, remaining: bigint): Order {
  assert(inEngine(order), `an order that is ${order.state} is not reduced`)
  const reducedLots = order.quantityLots - order.filledLots - remaining
  assert(reducedLots >= order.reducedLots, 'an order is never made larger')
  return { ...order, reducedLots }
}

const cancelReasons: Partial<Record<CloseReason, CancelReason>> = {
  [CloseReason.USER]: CancelReason.USER,
  [CloseReason.IOC]: CancelReason.IOC,
  [CloseReason.FOK]: CancelReason.FOK,
  [CloseReason.EXPIRED]: CancelReason.EXPIRED,
  [CloseReason.SELF_TRADE]: CancelReason.SELF_TRADE,
  [CloseReason.NO_LIQUIDITY]: CancelReason.NO_LIQUIDITY,
  [CloseReason.PRICE_BAND]: CancelReason.PRICE_BAND,
  [CloseReason.DEAD_MAN]: CancelReason.DEAD_MAN,
  [CloseReason.MARKET_CLOSED]: CancelReason.MARKET_CLOSED,
}

/** The engine is done with it. */
export function closed(order: Order, reason: CloseReason): Order {
  assert(inEngine(order), `an order that is ${order.state} is not closed`)
  if (reason === CloseReason.FILLED) {
    assert(order.filledLots + order.reducedLots === order.quantityLots, 'a filled order has nothing left')
    return { ...order, state: 'filled', cancelSeq: null }
  }
  const cancelReason = cancelReasons[reason]
  assert(cancelReason !== undefined, `the close reason ${reason} is not known`)
  return { ...order, state: 'cancelled', cancelReason, cancelSeq: null }
}
