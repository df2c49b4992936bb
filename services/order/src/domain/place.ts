import { invalidField, MAX_MINOR, Problems, parseMinor } from '@bitka/kernel'
import { OrderSide, OrderType, SelfTradePrevention, TimeInForce } from '@bitka/proto/bitka/common/v1/market_pb'
import type { CreateOrderRequest } from '@bitka/proto/bitka/order/v1/order_pb'
import type { JsonObject } from '@bufbuild/protobuf'
import { parseExact, parseSteps } from './decimal.ts'
import { holdFor } from './hold.ts'
import { type Market, type Position, scaleOf } from './market.ts'

/** 1 to 64 visible ASCII characters: client_order_id, client_cancel_id, Idempotency-Key. */
export const VISIBLE_ASCII = /^[\x21-\x7e]{1,64}$/
const MAX_METADATA_KEYS = 16
const MAX_METADATA_BYTES = 1_024

/** A request whose fields agree with each other; whether they suit the market is not known yet. */
export type Draft = {
  symbol: string
  side: OrderSide
  type: OrderType
  timeInForce: TimeInForce
  postOnly: boolean
  selfTradePrevention: SelfTradePrevention
  clientOrderId: string | null
  /** Decimal strings as they came. */
  price: string | null
  quantity: string
  metadata: JsonObject | null
}

/** An order that can be placed: counted in ticks and lots, with what it needs held and what it will be charged. */
export type Plan = Omit<Draft, 'price' | 'quantity'> & {
  priceTicks: bigint | null
  quantityLots: bigint
  holdAsset: string
  receiveAsset: string
  holdAmount: bigint
  makerFeeBps: number
  takerFeeBps: number
}

const isKnown = (values: Record<string, string | number>, value: number): boolean => value !== 0 && value in values

/**
 * Reads a request as far as that is possible without its market.
 * @throws DomainError invalid, naming every field at fault
 */
export function draftOf(request: CreateOrderRequest): Draft {
  const problems = new Problems()
  const { symbol, side, type, price, quantity } = request
  const isMarket = type === OrderType.MARKET
  const wanted = request.timeInForce ?? TimeInForce.GTC
  // A market order never rests: "until cancelled" ends as soon as it has traded what it can.
  const timeInForce = isMarket && wanted === TimeInForce.GTC ? TimeInForce.IOC : wanted
  const postOnly = request.postOnly ?? false
  const selfTradePrevention = request.selfTradePrevention ?? SelfTradePrevention.CANCEL_NEWEST
  problems.check(symbol !== '', 'symbol', 'is required')
  problems.check(isKnown(OrderSide, side), 'side', 'must be buy or sell')
  problems.check(isKnown(OrderType, type), 'type', 'must be limit or market')
  problems.check(quantity !== '', 'quantity', 'is required')
  problems.read(() => parseExact(quantity, 'quantity'))
  problems.check(isKnown(TimeInForce, timeInForce), 'time_in_force', 'must be GTC, IOC or FOK')
  problems.check(
    isKnown(SelfTradePrevention, selfTradePrevention),
    'self_trade_prevention',
    'must be cancel_newest, cancel_oldest, cancel_both or decrement_and_cancel',
  )
  if (type === OrderType.LIMIT) problems.check(price !== undefined, 'price', 'is required for a limit order')
  if (price !== undefined && !isMarket) problems.read(() => parseExact(price, 'price'))
  if (isMarket) {
    problems.check(price === undefined, 'price', 'must be left out of a market order')
    problems.check(!postOnly, 'post_only', 'is for limit orders only')
  } else {
    problems.check(!postOnly || timeInForce === TimeInForce.GTC, 'post_only', 'needs time_in_force GTC')
  }
  const { clientOrderId = null, metadata = null } = request
  if (clientOrderId !== null) {
    problems.check(VISIBLE_ASCII.test(clientOrderId), 'client_order_id', 'must have 1 to 64 visible ASCII characters')
  }
  if (metadata !== null) problems.read(() => checkMetadata(metadata))
  problems.throwIfAny()
  return {
    symbol,
    side,
    type,
    timeInForce,
    postOnly,
    selfTradePrevention,
    clientOrderId,
    price: price ?? null,
    quantity,
    metadata,
  }
}

function checkMetadata(metadata: JsonObject): void {
  if (Object.keys(metadata).length > MAX_METADATA_KEYS)
    throw invalidField('metadata', `has more than ${MAX_METADATA_KEYS} keys`)
  if (Buffer.byteLength(JSON.stringify(metadata)) > MAX_METADATA_BYTES) {
    throw invalidField('metadata', `is larger than ${MAX_METADATA_BYTES} bytes`)
  }
}

/**
 * Fits a draft to its market, whatever the market's status: only the engine knows that for certain, and it rejects.
 * @throws DomainError invalid, naming every field at fault
 */
export function planOf(draft: Draft, market: Market, position: Position): Plan {
  const problems = new Problems()
  const scale = scaleOf(market)
  const { price, quantity, ...rest } = draft
  const lots = problems.read(() => parseSteps(quantity, scale.lot, 'lot size', 'quantity'))
  if (lots !== undefined) {
    const least = parseSteps(market.minQuantity, scale.lot, 'lot size', 'min_quantity')
    const most = parseSteps(market.maxQuantity, scale.lot, 'lot size', 'max_quantity')
    problems.check(lots >= least && lots > 0n, 'quantity', `must be at least ${market.minQuantity}`)
    problems.check(lots <= most, 'quantity', `must be at most ${market.maxQuantity}`)
  }
  const ticks = price === null ? null : problems.read(() => parseSteps(price, scale.tick, 'tick size', 'price'))
  if (ticks === 0n) problems.add('price', 'must be greater than zero')
  if (ticks && lots) {
    const least = parseMinor(market.minNotional, market.quoteDecimals, 'min_notional')
    const enough = ticks * lots * scale.num >= least * scale.den
    problems.check(enough, 'quantity', `times price must be at least ${market.minNotional} ${market.quoteAsset}`)
  }
  problems.throwIfAny()
  const isBuy = draft.side === OrderSide.BUY
  const sized = { side: draft.side, type: draft.type, priceTicks: ticks ?? null, quantityLots: lots ?? 0n }
  const holdAmount = holdFor(sized, market, scale, position)
  if (holdAmount > MAX_MINOR) throw invalidField('quantity', 'times price is too large')
  return {
    ...rest,
    priceTicks: sized.priceTicks,
    quantityLots: sized.quantityLots,
    holdAsset: isBuy ? market.quoteAsset : market.baseAsset,
    receiveAsset: isBuy ? market.baseAsset : market.quoteAsset,
    holdAmount,
    makerFeeBps: market.makerFeeBps,
    takerFeeBps: market.takerFeeBps,
  }
}
