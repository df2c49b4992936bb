import type { OutboxRecord } from '@bitka/events'
import { assert } from '@bitka/kernel'
import {
  MarketDefinitionSchema,
  type MarketStatus,
  OrderSide,
  OrderType,
  TimeInForce,
} from '@bitka/proto/bitka/common/v1/market_pb'
import { NewOrderSchema, type OrderCommand, OrderCommandSchema } from '@bitka/proto/bitka/events/v1/trading_pb'
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import type { Market } from '../domain/market.ts'
import type { Order } from '../domain/order.ts'
import type { CommandSlot } from '../store/markets.ts'

export const COMMANDS = 'trading.orders.commands'

/** How long after its placing a market, IOC or FOK order may still enter the book; also how long an order may stay unsent. */
export const ORDER_PATIENCE_MS = 30_000

type Body = NonNullable<MessageInitShape<typeof OrderCommandSchema>['body']>

/** Numbers the commands of locked markets, gives them their time, and gathers them for the outbox. */
export class CommandWriter {
  readonly records: OutboxRecord[] = []
  private readonly touched = new Set<string>()

  constructor(
    private readonly slots: Map<string, CommandSlot>,
    private readonly nowMs: number,
  ) {}

  /** Adds a command; answers its number. `about` travels in the headers, for a record that cannot be decoded. */
  write(symbol: string, body: Body, about: { orderId?: string; traceparent?: string | undefined } = {}): bigint {
    const slot = this.slots.get(symbol)
    assert(slot, `the market ${symbol} is not locked`)
    const commandSeq = slot.nextCommandSeq
    slot.nextCommandSeq += 1n
    slot.lastCommandMs = Math.max(slot.lastCommandMs, this.nowMs)
    this.touched.add(symbol)
    const command = create(OrderCommandSchema, { symbol, commandSeq, timeMs: BigInt(slot.lastCommandMs), body })
    this.records.push(commandRecord(command, slot.partition, about))
    return commandSeq
  }

  /** How far our clock is behind the time of the market's commands, as it is after it went back. */
  clockLagMs(symbol: string): number {
    return Math.max(0, (this.slots.get(symbol)?.lastCommandMs ?? 0) - this.nowMs)
  }

  /** The markets whose next number has to be stored. */
  usedSlots(): CommandSlot[] {
    return [...this.touched].flatMap((symbol) => this.slots.get(symbol) ?? [])
  }
}

function commandRecord(
  command: OrderCommand,
  partition: number,
  about: { orderId?: string; traceparent?: string | undefined },
): OutboxRecord {
  const headers: Record<string, string> = { symbol: command.symbol, command_seq: String(command.commandSeq) }
  if (about.orderId !== undefined) headers.order_id = about.orderId
  return {
    topic: COMMANDS,
    key: command.symbol,
    type: OrderCommandSchema.typeName,
    value: toBinary(OrderCommandSchema, command),
    partition,
    headers,
    ...(about.traceparent === undefined ? {} : { traceparent: about.traceparent }),
  }
}

export const defineMarket = (market: Market): Body => ({
  case: 'defineMarket',
  value: create(MarketDefinitionSchema, {
    symbol: market.symbol,
    baseAsset: market.baseAsset,
    quoteAsset: market.quoteAsset,
    baseDecimals: market.baseDecimals,
    quoteDecimals: market.quoteDecimals,
    tickSize: market.tickSize,
    lotSize: market.lotSize,
    minQuantity: market.minQuantity,
    maxQuantity: market.maxQuantity,
    minNotional: market.minNotional,
    priceBandBps: market.priceBandBps,
    status: market.wantedStatus,
    makerFeeBps: market.makerFeeBps,
    takerFeeBps: market.takerFeeBps,
    partition: market.partition,
  }),
})

export const setStatus = (status: MarketStatus): Body => ({ case: 'setStatus', value: { status } })

/** An order is only ever executed within its patience after it was placed, unless it may rest. */
const mayRest = ({ type, timeInForce }: Order): boolean => type === OrderType.LIMIT && timeInForce === TimeInForce.GTC

/** `clockLagMs`: what our clock is behind the time that the engine compares with. */
export const newOrder = (order: Order, clockLagMs: number): Body => ({
  case: 'newOrder',
  value: create(NewOrderSchema, {
    orderId: order.id,
    userId: order.userId,
    side: order.side,
    type: order.type,
    timeInForce: order.timeInForce,
    priceTicks: order.priceTicks ?? 0n,
    quantityLots: order.quantityLots,
    postOnly: order.postOnly,
    selfTradePrevention: order.selfTradePrevention,
    makerFeeBps: order.makerFeeBps,
    takerFeeBps: order.takerFeeBps,
    maxQuote: String(order.side === OrderSide.BUY ? order.holdAmount : 0n),
    validUntilMs: mayRest(order) ? 0n : BigInt(order.createdAt.getTime() + ORDER_PATIENCE_MS + clockLagMs),
  }),
})
