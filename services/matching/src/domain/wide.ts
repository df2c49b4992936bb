import { num } from './columns.ts'

/**
 * Notionals are counted in ticks × lots, exactly: each factor is below 2^53, so a sum of them for one order is below 2^106 and
 * is kept as two whole numbers, high × 2^53 + low. A pair is [high, low] in a Float64Array. Nothing here allocates.
 */
export const LIMB = 2 ** 53
const MAX = Number.MAX_SAFE_INTEGER
/** The largest pair, as a bigint. */
const MAX_WIDE = (1n << 106n) - 1n
/** Veltkamp's constant, 2^27 + 1: splits a double into two halves whose products are exact. */
const SPLITTER = 2 ** 27 + 1

/** [high, low] of the last product. */
const product = new Float64Array(2)

/** a × b into `product`, for whole numbers from 0 to 2^53 − 1. */
function multiply(a: number, b: number): void {
  const rounded = a * b
  if (rounded < LIMB) {
    product[0] = 0
    product[1] = rounded
    return
  }
  // Dekker's product: `error` is exactly what rounding took from a × b.
  const aShifted = a * SPLITTER
  const aHigh = aShifted - (aShifted - a)
  const aLow = a - aHigh
  const bShifted = b * SPLITTER
  const bHigh = bShifted - (bShifted - b)
  const bLow = b - bHigh
  const error = aLow * bLow - (rounded - aHigh * bHigh - aLow * bHigh - aHigh * bLow)
  const high = Math.floor(rounded / LIMB)
  // Cannot reach 2^53: `rounded` is a multiple of its last place and the error is at most half of that.
  const low = rounded - high * LIMB + error
  product[0] = low < 0 ? high - 1 : high
  product[1] = low < 0 ? low + LIMB : low
}

/** Adds a × b to the pair that slot `slot` of two columns makes. */
export function addProduct(high: Float64Array, low: Float64Array, slot: number, a: number, b: number): void {
  multiply(a, b)
  const sum = num(low, slot)
  const room = LIMB - num(product, 1)
  if (sum < room) {
    low[slot] = sum + num(product, 1)
    if (num(product, 0) !== 0) high[slot] = num(high, slot) + num(product, 0)
  } else {
    low[slot] = sum - room
    high[slot] = num(high, slot) + num(product, 0) + 1
  }
}

/** Takes a × b, which must fit, from a pair. */
export function subtractProduct(pair: Float64Array, a: number, b: number): void {
  multiply(a, b)
  const low = num(pair, 1) - num(product, 1)
  pair[1] = low < 0 ? low + LIMB : low
  pair[0] = num(pair, 0) - num(product, 0) - (low < 0 ? 1 : 0)
}

/** Is a × b at most the pair? */
export function fits(pair: Float64Array, a: number, b: number): boolean {
  multiply(a, b)
  const high = num(product, 0)
  return high < num(pair, 0) || (high === num(pair, 0) && num(product, 1) <= num(pair, 1))
}

/** The most lots, up to `wanted`, whose cost at `ticks` is within the pair. */
export function affordable(pair: Float64Array, ticks: number, wanted: number): number {
  if (fits(pair, ticks, wanted)) return wanted
  // The quotient is below `wanted`, so the division is off by a few at most.
  let lots = Math.min(Math.floor((num(pair, 0) * LIMB + num(pair, 1)) / ticks), wanted)
  while (!fits(pair, ticks, lots)) lots -= 1
  while (fits(pair, ticks, lots + 1)) lots += 1
  return lots
}

/** Writes a bigint as a pair; what is too large becomes the largest pair, which no sum can pass. */
export function setPair(pair: Float64Array, value: bigint): void {
  if (value > MAX_WIDE) {
    pair[0] = MAX
    pair[1] = MAX
  } else {
    pair[0] = Number(value >> 53n)
    pair[1] = Number(value & 0x1fffffffffffffn)
  }
}

/** high × 2^53 + low, for the encoder. */
export const wideToBigInt = (high: number, low: number): bigint =>
  high === 0 ? BigInt(low) : (BigInt(high) << 53n) + BigInt(low)
