import fc from 'fast-check'
import { addProduct, affordable, fits, setPair, subtractProduct, wideToBigInt } from './wide.ts'

const whole = fc.oneof(
  fc.maxSafeNat(),
  fc.integer({ min: 1, max: 1_000 }),
  fc.constantFrom(2 ** 53 - 1, 2 ** 27 + 1, 2 ** 52),
)
const pairOf = (value: bigint) => {
  const pair = new Float64Array(2)
  setPair(pair, value)
  return pair
}
const bigIntOf = (pair: Float64Array) => wideToBigInt(pair[0]!, pair[1]!)

describe('sums of products beyond 2^53', () => {
  it('adds and takes products as bigint does', () => {
    const property = fc.property(fc.array(fc.tuple(whole, whole), { maxLength: 12 }), (factors) => {
      const high = new Float64Array(1)
      const low = new Float64Array(1)
      let sum = 0n
      for (const [a, b] of factors) {
        // One order's units stay below 2^106: the last factor of a sum that would pass it is left out.
        if (sum + BigInt(a) * BigInt(b) >= 1n << 106n) continue
        addProduct(high, low, 0, a, b)
        sum += BigInt(a) * BigInt(b)
        const pair = pairOf(sum)
        expect(wideToBigInt(high[0]!, low[0]!)).toBe(sum)
        expect(bigIntOf(pair)).toBe(sum)
        subtractProduct(pair, a, b)
        expect(bigIntOf(pair)).toBe(sum - BigInt(a) * BigInt(b))
      }
    })
    fc.assert(property, { numRuns: 2_000 })
  })

  it('compares and divides as bigint does', () => {
    const ticks = whole.filter((value) => value > 0)
    const budget = fc.oneof(fc.bigInt({ min: 0n, max: (1n << 106n) - 1n }), whole.map(BigInt))
    const property = fc.property(budget, ticks, whole, (value, price, wanted) => {
      const pair = pairOf(value)
      expect(fits(pair, price, wanted)).toBe(BigInt(price) * BigInt(wanted) <= value)
      const most = value / BigInt(price)
      expect(BigInt(affordable(pair, price, wanted))).toBe(most < BigInt(wanted) ? most : BigInt(wanted))
    })
    fc.assert(property, { numRuns: 5_000 })
  })

  it('cuts a budget that no order can spend', () => {
    expect(bigIntOf(pairOf(10n ** 40n))).toBe((1n << 106n) - 1n)
  })
})
