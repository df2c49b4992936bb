import { minorFromWire } from '@bitka/kernel'
import { OrderSide } from '@bitka/proto/bitka/common/v1/market_pb'
import {
  type MatchResult,
  type MatchResults,
  MatchResultsSchema,
  type Trade,
  type TradeParty,
} from '@bitka/proto/bitka/events/v1/trading_pb'
import { fromBinary } from '@bufbuild/protobuf'
import type { Party, SettleOp, SettleResult } from '../domain/items.ts'
import { SettlementError } from '../domain/settle.ts'

/**
 * Reads one record of trading.matches.executed.
 * @throws when something in it is not what the ledger knows: it might move money, so it is not skipped
 */
export function toSettleOp(value: Uint8Array, partition: number): SettleOp {
  const message: MatchResults = fromBinary(MatchResultsSchema, value)
  const results = message.results.map((result) => toResult(message.symbol, result))
  return { type: 'settle', symbol: message.symbol, partition, commandSeq: message.commandSeq, results }
}

function toResult(symbol: string, { number, body }: MatchResult): SettleResult {
  switch (body.case) {
    case 'trade':
      return { number, ...toTrade(symbol, body.value) }
    case 'orderReduced':
      return { number, type: 'reduced', orderId: body.value.orderId, holdAfter: minorFromWire(body.value.holdAfter) }
    case 'orderClosed':
      return { number, type: 'closed', orderId: body.value.orderId }
    case 'orderRejected':
      return { number, type: 'rejected', orderId: body.value.orderId }
    case 'marketDefined':
    case 'marketStatusChanged':
    case 'orderAccepted':
    case 'cancelRejected':
    case 'bookChanged':
    case 'definitionRejected':
    case 'allCancelled':
      return { number, type: 'other' }
    case undefined:
      throw new SettlementError(`${symbol}: result ${number} is of a kind that this ledger does not know`)
  }
}

function toTrade(symbol: string, trade: Trade): Omit<Extract<SettleResult, { type: 'trade' }>, 'number'> {
  const { maker, taker, takerSide } = trade
  if (!maker || !taker || (takerSide !== OrderSide.BUY && takerSide !== OrderSide.SELL)) {
    throw new SettlementError(`${symbol}: trade ${trade.tradeNumber} does not say who traded`)
  }
  const [buyer, seller] = takerSide === OrderSide.BUY ? [taker, maker] : [maker, taker]
  return {
    type: 'trade',
    tradeNumber: trade.tradeNumber,
    baseAmount: minorFromWire(trade.baseAmount),
    buyer: toParty(buyer),
    seller: toParty(seller),
  }
}

const toParty = ({ orderId, quoteAmount, fee, holdAfter }: TradeParty): Party => ({
  orderId,
  quoteAmount: minorFromWire(quoteAmount),
  fee: minorFromWire(fee),
  holdAfter: minorFromWire(holdAfter),
})
