import { assert, minorFromWire } from '@bitka/kernel'
import { Liquidity, OrderSide } from '@bitka/proto/bitka/common/v1/market_pb'
import type { MatchResult, MatchResults, Trade, TradeParty } from '@bitka/proto/bitka/events/v1/trading_pb'
import { type Fill, fillIdOf } from './fill.ts'
import type { Position } from './market.ts'
import { accepted, closed, type Order, reduced, rejected, traded } from './order.ts'

/** What a run of results works on: loaded whole before, stored whole after. */
export type Board = {
  positions: Map<string, Position>
  orders: Map<string, Order>
  /** Orders that changed, in the order of their first change. */
  changed: Set<string>
  fills: Fill[]
  /** Orders that ended as cancelled or filled, in order. */
  ended: Order[]
}

export const emptyBoard = (): Board => ({
  positions: new Map(),
  orders: new Map(),
  changed: new Set(),
  fills: [],
  ended: [],
})

/** The orders that a message touches. */
export function orderIdsOf(message: MatchResults): string[] {
  return message.results.flatMap(({ body }) => {
    switch (body.case) {
      case 'orderAccepted':
      case 'orderRejected':
      case 'orderReduced':
      case 'orderClosed':
      case 'cancelRejected':
        return [body.value.orderId]
      case 'trade':
        return [party(body.value.maker).orderId, party(body.value.taker).orderId]
      default:
        return []
    }
  })
}

/**
 * Applies one message. Results that were applied before are skipped.
 * @throws when a result is missing before one of these, or one does not fit its order: our copy is wrong, so stop
 */
export function applyMessage(board: Board, message: MatchResults): void {
  const position = board.positions.get(message.symbol)
  assert(position, `results of ${message.symbol}, which is no market`)
  let last = position.lastResultNumber
  const at = new Date(Number(message.timeMs))
  let { status } = position
  for (const result of message.results) {
    if (result.number <= last) continue
    if (result.number !== last + 1n) throw new ResultGap(message.symbol, last, result.number)
    last = result.number
    applyResult(board, message.symbol, result, at)
    if (result.body.case === 'marketDefined') status = result.body.value.status
    if (result.body.case === 'marketStatusChanged') status = result.body.value.status
  }
  if (last === position.lastResultNumber) return
  board.positions.set(message.symbol, {
    symbol: message.symbol,
    lastResultNumber: last,
    lastCommandSeq: message.commandSeq,
    status,
    lastPriceTicks: message.lastPriceTicks ?? null,
    bestBidTicks: message.bestBidTicks ?? null,
    bestAskTicks: message.bestAskTicks ?? null,
  })
}

/** A result is missing. Nothing after it can be trusted. */
export class ResultGap extends Error {
  override name = 'ResultGap'
  constructor(symbol: string, last: bigint, next: bigint) {
    super(`results of ${symbol} jump from ${last} to ${next}`)
  }
}

function applyResult(board: Board, symbol: string, { body }: MatchResult, at: Date): void {
  if (body.case === 'trade') {
    applyParty(board, symbol, body.value, Liquidity.MAKER, at)
    applyParty(board, symbol, body.value, Liquidity.TAKER, at)
    return
  }
  const step = stepOf(body)
  if (!step) return
  // There was nothing to cancel, here neither: the record was none of ours.
  if (body.case === 'cancelRejected' && !board.orders.has(step.orderId)) return
  change(board, step.orderId, at, step.next)
}

type Step = { orderId: string; next: (order: Order) => Order }

/** What a result does to its one order; undefined for results that are about no order. */
function stepOf(body: MatchResult['body']): Step | undefined {
  switch (body.case) {
    case 'orderAccepted':
      return { orderId: body.value.orderId, next: accepted }
    case 'orderRejected': {
      const { orderId, reason } = body.value
      return { orderId, next: (order) => rejected(order, reason) }
    }
    case 'orderReduced': {
      const { orderId, remainingLots } = body.value
      return { orderId, next: (order) => reduced(order, remainingLots) }
    }
    case 'orderClosed': {
      const { orderId, reason } = body.value
      return { orderId, next: (order) => closed(order, reason) }
    }
    case 'cancelRejected':
      return { orderId: body.value.orderId, next: (order) => ({ ...order, cancelSeq: null }) }
    default:
      return undefined
  }
}

function change(board: Board, orderId: string, at: Date, step: (order: Order) => Order): void {
  const order = board.orders.get(orderId)
  assert(order, `a result names order ${orderId}, which does not exist`)
  const next = { ...step(order), updatedAt: at }
  board.orders.set(orderId, next)
  board.changed.add(orderId)
  if (next.state !== order.state && (next.state === 'cancelled' || next.state === 'filled')) board.ended.push(next)
}

function applyParty(board: Board, symbol: string, trade: Trade, liquidity: Liquidity, at: Date): void {
  const { orderId, filledLots, quoteAmount, fee } = party(liquidity === Liquidity.MAKER ? trade.maker : trade.taker)
  change(board, orderId, at, (order) => traded(order, { filledLots, quoteAmount: minorFromWire(quoteAmount) }))
  const order = board.orders.get(orderId)
  assert(order, 'it has just been changed')
  const takerSells = trade.takerSide === OrderSide.SELL
  const isBuyer = (liquidity === Liquidity.TAKER) !== takerSells
  assert(isBuyer === (order.side === OrderSide.BUY), `order ${orderId} traded on the other side`)
  board.fills.push({
    fillId: fillIdOf(symbol, trade.tradeNumber, liquidity),
    orderId,
    userId: order.userId,
    symbol,
    side: order.side,
    tradeNumber: trade.tradeNumber,
    priceTicks: trade.priceTicks,
    quantityLots: trade.quantityLots,
    quoteAmount: minorFromWire(quoteAmount),
    fee: minorFromWire(fee),
    feeAsset: order.receiveAsset,
    liquidity,
    executedAt: at,
  })
}

function party(side: TradeParty | undefined): TradeParty {
  assert(side, 'a trade has two parties')
  return side
}
