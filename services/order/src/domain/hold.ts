import { ceilDiv } from '@bitka/kernel'
import { OrderSide, OrderType } from '@bitka/proto/bitka/common/v1/market_pb'
import type { Market, Position, Scale } from './market.ts'

const BPS = 10_000n

/** What `lots` at `ticks` cost at most, in minor units of quote. */
export const costOf = (scale: Scale, ticks: bigint, lots: bigint): bigint =>
  ceilDiv(ticks * lots * scale.num, scale.den)

/** The price that a market order is measured by: the last trade, else the best price it could trade at. */
export const referenceTicks = (position: Position, side: OrderSide): bigint | null =>
  position.lastPriceTicks ?? (side === OrderSide.BUY ? position.bestAskTicks : position.bestBidTicks)

export type Sized = { side: OrderSide; type: OrderType; priceTicks: bigint | null; quantityLots: bigint }

/**
 * What has to be set aside for an order, in minor units: base for a sell, quote for a buy. 0 when there is no price to
 * refer to: the engine will reject the order, which then needs no funds.
 */
export function holdFor(order: Sized, market: Pick<Market, 'priceBandBps'>, scale: Scale, position: Position): bigint {
  const { side, quantityLots, priceTicks } = order
  if (side === OrderSide.SELL) return quantityLots * scale.lotMinor
  if (order.type === OrderType.LIMIT && priceTicks !== null) return costOf(scale, priceTicks, quantityLots)
  const reference = referenceTicks(position, side)
  if (reference === null) return 0n
  // One division, rounded up once: reference × (1 + band) need not be a whole tick.
  const factor = BPS + BigInt(market.priceBandBps)
  return ceilDiv(reference * factor * quantityLots * scale.num, BPS * scale.den)
}
