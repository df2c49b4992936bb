import { ceilDiv, floorDiv } from '@bitka/kernel'
import { num } from './columns.ts'
import type { MarketDefinition } from './command.ts'
import type { OrderPool } from './order-pool.ts'
import { wideToBigInt } from './wide.ts'

/**
 * From the engine's counts to money. The exact notional of some units (Σ ticks × lots), in quote minor units, is
 * units × num ÷ den; one lot is `lotMinor` base minor units.
 */
export type Scale = { readonly num: bigint; readonly den: bigint; readonly lotMinor: bigint }

const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b))

/** "0.05" as 5 ÷ 10^2, or null when it is no positive decimal number. */
function parseExact(text: string): { units: bigint; parts: bigint } | null {
  const match = /^([0-9]{1,20})(?:\.([0-9]{1,18}))?$/.exec(text)
  if (!match) return null
  const fraction = match[2] ?? ''
  const units = BigInt((match[1] ?? '') + fraction)
  return units === 0n ? null : { units, parts: 10n ** BigInt(fraction.length) }
}

/** The scale of a market, or null when it has none: a bad tick or lot, or a lot that is no whole number of minor units. */
export function scaleOf(market: MarketDefinition): Scale | null {
  const tick = parseExact(market.tickSize)
  const lot = parseExact(market.lotSize)
  if (!tick || !lot) return null
  const baseMinor = lot.units * 10n ** BigInt(market.baseDecimals)
  if (baseMinor % lot.parts !== 0n) return null
  const top = tick.units * lot.units * 10n ** BigInt(market.quoteDecimals)
  const bottom = tick.parts * lot.parts
  const common = gcd(top, bottom)
  return { num: top / common, den: bottom / common, lotMinor: baseMinor / lot.parts }
}

/** All that was paid for so many units: rounded up over the order, not per fill. */
export const paidFor = (scale: Scale, units: bigint): bigint => ceilDiv(units * scale.num, scale.den)

/** All that was received for so many units: rounded down over the order. */
export const receivedFor = (scale: Scale, units: bigint): bigint => floorDiv(units * scale.num, scale.den)

/** The most units whose cost, rounded up, is within `maxQuote`. */
export const unitsWithin = (scale: Scale, maxQuote: bigint): bigint => (maxQuote * scale.den) / scale.num

/** The fee on everything received in one role: rounded up over the order. */
export const feeOn = (received: bigint, bps: number): bigint => ceilDiv(received * BigInt(bps), 10_000n)

export const baseOf = (scale: Scale, lots: number): bigint => BigInt(lots) * scale.lotMinor

/** The units of all fills of an order. */
export const unitsOf = (orders: OrderPool, slot: number): bigint =>
  wideToBigInt(num(orders.unitsHigh, slot), num(orders.unitsLow, slot))

/** The units of the fills that it made before it rested. */
export const takerUnitsOf = (orders: OrderPool, slot: number): bigint =>
  wideToBigInt(num(orders.takerHigh, slot), num(orders.takerLow, slot))

/** What a fill of `lots` at `ticks` moved for one order. */
export type Fill = { quote: bigint; fee: bigint }

/** The buyer's side of a fill that is already in the order's columns. `roleLots`: all lots bought in that role. */
export function buyerFill(
  scale: Scale,
  units: bigint,
  fillUnits: bigint,
  roleLots: number,
  lots: number,
  feeBps: number,
): Fill {
  const quote = paidFor(scale, units) - paidFor(scale, units - fillUnits)
  const fee = feeOn(baseOf(scale, roleLots), feeBps) - feeOn(baseOf(scale, roleLots - lots), feeBps)
  return { quote, fee }
}

/** The seller's side. `earlierUnits`: what the order traded in its other role, before this one. */
export function sellerFill(scale: Scale, units: bigint, fillUnits: bigint, earlierUnits: bigint, feeBps: number): Fill {
  const received = receivedFor(scale, units)
  const before = receivedFor(scale, units - fillUnits)
  const otherRole = receivedFor(scale, earlierUnits)
  return { quote: received - before, fee: feeOn(received - otherRole, feeBps) - feeOn(before - otherRole, feeBps) }
}
