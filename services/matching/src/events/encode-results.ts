import { createHash } from 'node:crypto'
import type { LogRecord } from '@bitka/events'
import {
  type LevelChangeSchema,
  type MatchResultSchema,
  MatchResultsSchema,
  type TradePartySchema,
} from '@bitka/proto/bitka/events/v1/trading_pb'
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import type { Side } from '../domain/command.ts'
import type { Level, Outcome, Result, TradeParty } from '../domain/result.ts'
import { toWireDefinition } from './market-definition.ts'
import { Header } from './topics.ts'
import { closeReasons, rejectReasons, sides, statuses } from './words.ts'

type WireResult = MessageInitShape<typeof MatchResultSchema>
type Body = NonNullable<WireResult['body']>

/**
 * What a command led to, as the log keeps it. The same outcome gives the same bytes, ids included, whoever encodes it and
 * when: a replay compares them. Protobuf-es writes fields by number, and no field here is a map.
 */
export function encodeResults(symbol: string, outcome: Outcome): LogRecord {
  const { seq, timeMs, results, bestBid, bestAsk, lastTrade } = outcome
  const message = create(MatchResultsSchema, {
    symbol,
    commandSeq: BigInt(seq),
    timeMs: BigInt(timeMs),
    results: results.map((result) => ({ number: BigInt(result.number), body: bodyOf(result) })),
    bestBidTicks: ticksOrNone(bestBid),
    bestAskTicks: ticksOrNone(bestAsk),
    lastPriceTicks: ticksOrNone(lastTrade),
  })
  return {
    key: symbol,
    headers: {
      'event-id': eventId(symbol, seq),
      type: MatchResultsSchema.typeName,
      producer: 'matching',
      [Header.symbol]: symbol,
      [Header.commandSeq]: String(seq),
    },
    value: toBinary(MatchResultsSchema, message),
  }
}

const ticksOrNone = (ticks: number | null): bigint | undefined => (ticks === null ? undefined : BigInt(ticks))

/** A UUID (version 8: made by a rule of our own) that follows from the command. */
function eventId(symbol: string, seq: number): string {
  const bytes = createHash('sha256').update(`bitka.matching.results/${symbol}/${seq}`).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function bodyOf(result: Result): Body {
  switch (result.kind) {
    case 'market_defined':
      return { case: 'marketDefined', value: toWireDefinition(result.market) }
    case 'definition_rejected':
      return { case: 'definitionRejected', value: { definition: toWireDefinition(result.market) } }
    case 'status_changed':
      return { case: 'marketStatusChanged', value: { status: statuses[result.status] } }
    case 'accepted':
      return { case: 'orderAccepted', value: { orderId: result.orderId, userId: result.userId } }
    case 'rejected': {
      const { orderId, userId, reason } = result
      return { case: 'orderRejected', value: { orderId, userId, reason: rejectReasons[reason] } }
    }
    case 'trade':
      return {
        case: 'trade',
        value: {
          tradeNumber: BigInt(result.tradeNumber),
          priceTicks: BigInt(result.ticks),
          quantityLots: BigInt(result.lots),
          baseAmount: String(result.base),
          takerSide: sides[result.takerSide],
          maker: partyOf(result.maker),
          taker: partyOf(result.taker),
        },
      }
    case 'reduced': {
      const { orderId, userId, remainingLots, holdAfter } = result
      const value = { orderId, userId, remainingLots: BigInt(remainingLots), holdAfter: String(holdAfter) }
      return { case: 'orderReduced', value }
    }
    case 'closed': {
      const { orderId, userId, reason, remainingLots } = result
      const value = { orderId, userId, reason: closeReasons[reason], remainingLots: BigInt(remainingLots) }
      return { case: 'orderClosed', value }
    }
    case 'cancel_rejected':
      return { case: 'cancelRejected', value: { orderId: result.orderId } }
    case 'all_cancelled':
      return { case: 'allCancelled', value: { userId: result.userId, orders: result.orders } }
    case 'book': {
      const changes = [...levelsOf('buy', result.bids), ...levelsOf('sell', result.asks)]
      return { case: 'bookChanged', value: { seq: BigInt(result.bookSeq), changes } }
    }
  }
}

const partyOf = (party: TradeParty): MessageInitShape<typeof TradePartySchema> => ({
  orderId: party.orderId,
  userId: party.userId,
  quoteAmount: String(party.quote),
  fee: String(party.fee),
  holdAfter: String(party.holdAfter),
  filledLots: BigInt(party.filledLots),
  remainingLots: BigInt(party.remainingLots),
})

const levelsOf = (side: Side, levels: readonly Level[]): MessageInitShape<typeof LevelChangeSchema>[] =>
  levels.map(({ ticks, lots }) => ({
    side: sides[side],
    priceTicks: BigInt(ticks),
    quantityLots: BigInt(lots),
  }))
