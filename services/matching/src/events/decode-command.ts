import type { StoredRecord } from '@bitka/events'
import {
  type OrderCommand,
  OrderCommandSchema,
  type NewOrder as WireNewOrder,
} from '@bitka/proto/bitka/events/v1/trading_pb'
import { fromBinary } from '@bufbuild/protobuf'
import type { Command, NewOrder } from '../domain/command.ts'
import { amount, count, UndecodableError, word } from './decoding.ts'
import { fromWireDefinition } from './market-definition.ts'
import { Header } from './topics.ts'
import { cancelReasons, orderTypes, preventions, sides, statuses, timesInForce } from './words.ts'

export type AddressedCommand = { symbol: string; command: Command }

/**
 * A record of the command log as the engine takes it. One that cannot be read becomes a `reject` of the order that its headers
 * name, so that the order closes and its hold is released.
 * @throws UndecodableError when the headers do not say enough for that
 */
export function decodeCommand(record: StoredRecord): AddressedCommand {
  try {
    const wire = fromBinary(OrderCommandSchema, record.value)
    return { symbol: symbolOf(wire), command: toCommand(wire) }
  } catch (cause) {
    return rejectionByHeaders(record, cause)
  }
}

function symbolOf({ symbol }: OrderCommand): string {
  if (symbol === '') throw new UndecodableError('the command names no market')
  return symbol
}

function toCommand({ symbol, commandSeq, timeMs, body }: OrderCommand): Command {
  const base = { seq: commandNumber(commandSeq), timeMs: count(timeMs, 'time_ms') }
  switch (body.case) {
    case 'defineMarket':
      if (body.value.symbol !== symbol) throw new UndecodableError('a definition of another market')
      return { kind: 'define_market', ...base, market: fromWireDefinition(body.value) }
    case 'setStatus':
      return { kind: 'set_status', ...base, status: word(statuses, body.value.status, 'status') }
    case 'newOrder':
      return { kind: 'new_order', ...base, ...orderOf(body.value) }
    case 'cancelOrder': {
      const { orderId, reason } = body.value
      return { kind: 'cancel_order', ...base, orderId, reason: word(cancelReasons, reason, 'reason') }
    }
    case 'cancelAll': {
      const { userId, reason } = body.value
      return { kind: 'cancel_all', ...base, userId, reason: word(cancelReasons, reason, 'reason') }
    }
    case undefined:
      throw new UndecodableError('the command says nothing to do')
  }
}

const orderOf = (wire: WireNewOrder): Omit<NewOrder, 'kind' | 'seq' | 'timeMs'> => ({
  orderId: wire.orderId,
  userId: wire.userId,
  side: word(sides, wire.side, 'side'),
  type: word(orderTypes, wire.type, 'type'),
  timeInForce: word(timesInForce, wire.timeInForce, 'time_in_force'),
  priceTicks: count(wire.priceTicks, 'price_ticks'),
  quantityLots: count(wire.quantityLots, 'quantity_lots'),
  postOnly: wire.postOnly,
  stp: word(preventions, wire.selfTradePrevention, 'self_trade_prevention'),
  makerFeeBps: wire.makerFeeBps,
  takerFeeBps: wire.takerFeeBps,
  // A sell may leave it out.
  maxQuote: amount(wire.maxQuote || '0', 'max_quote'),
  validUntilMs: count(wire.validUntilMs, 'valid_until_ms'),
})

function commandNumber(value: bigint): number {
  const seq = count(value, 'command_seq')
  if (seq === 0) throw new UndecodableError('the command has no number')
  return seq
}

function rejectionByHeaders({ headers, partition, offset }: StoredRecord, cause: unknown): AddressedCommand {
  const symbol = headers[Header.symbol]
  const seq = seqHeader(headers)
  const orderId = headers[Header.orderId]
  if (!symbol || seq === undefined || !orderId) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new UndecodableError(`the record at ${partition}/${offset} cannot be read (${why}) and names no order`, {
      cause,
    })
  }
  // No time of its own: the engine's stays where it is.
  return { symbol, command: { kind: 'reject', seq, timeMs: 0, orderId, userId: '' } }
}

/** The header `command_seq`, or undefined where there is no such number. */
export function seqHeader(headers: Readonly<Record<string, string>>): number | undefined {
  const text = headers[Header.commandSeq] ?? ''
  const seq = Number(text)
  return /^[1-9][0-9]{0,15}$/.test(text) && Number.isSafeInteger(seq) ? seq : undefined
}
