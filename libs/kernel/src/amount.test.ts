import fc from 'fast-check'
import {
  ceilDiv,
  floorDiv,
  formatMinor,
  formatMinorFixed,
  MAX_MINOR,
  parseMinor,
  parsePositiveMinor,
} from './amount.ts'

const reason = (run: () => unknown): unknown => {
  try {
    return run()
  } catch (error) {
    return (error as { details: Record<string, string> }).details.amount
  }
}

describe('parseMinor', () => {
  test.each<[string, number, bigint]>([
    ['0', 2, 0n],
    ['1.5', 2, 150n],
    ['0.00000001', 8, 1n],
    ['99999999999999999999999999999999999999', 0, MAX_MINOR],
    ['0.000000000000000001', 18, 1n],
  ])('reads %s with %i decimals', (text, decimals, minor) => {
    expect(parseMinor(text, decimals)).toBe(minor)
  })

  test.each<[string, number, string]>([
    ['1.005', 2, 'has more than 2 decimals'],
    ['1.0', 0, 'has more than 0 decimals'],
    ['100000000000000000000000000000000000000', 0, 'must be a decimal number such as "1.25"'],
    ['1000000000000000000000', 18, 'is too large'],
    ['1.0000000000000000000', 18, 'must be a decimal number such as "1.25"'],
    ...['', '-1', '+1', '01', '1.', '.5', '1e3', 'NaN', 'Infinity', '1,000', ' 1', '0x10', '١'].map(
      (text): [string, number, string] => [text, 2, 'must be a decimal number such as "1.25"'],
    ),
  ])('refuses %p with %i decimals', (text, decimals, why) => {
    expect(reason(() => parseMinor(text, decimals))).toBe(why)
  })

  it('refuses zero where something must move', () => {
    expect(reason(() => parsePositiveMinor('0.00', 2))).toBe('must be greater than zero')
  })
})

describe('formatMinor', () => {
  it('is undone by parseMinor, for every amount and number of decimals', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, MAX_MINOR), fc.integer({ min: 0, max: 18 }), (minor, decimals) => {
        expect(parseMinor(formatMinor(minor, decimals), decimals)).toBe(minor)
        expect(parseMinor(formatMinorFixed(minor, decimals), decimals)).toBe(minor)
      }),
    )
  })

  test.each<[bigint, number, string, string]>([
    [0n, 2, '0', '0.00'],
    [150n, 2, '1.5', '1.50'],
    [-5n, 2, '-0.05', '-0.05'],
    [1000n, 0, '1000', '1000'],
  ])('writes %p with %i decimals', (minor, decimals, short, fixed) => {
    expect([formatMinor(minor, decimals), formatMinorFixed(minor, decimals)]).toEqual([short, fixed])
  })
})

test('ceilDiv and floorDiv bracket the quotient', () => {
  fc.assert(
    fc.property(fc.bigInt(-(10n ** 20n), 10n ** 20n), fc.bigInt(1n, 10n ** 10n), (a, b) => {
      expect(ceilDiv(a, b) * b >= a && (ceilDiv(a, b) - 1n) * b < a).toBe(true)
      expect(floorDiv(a, b) * b <= a && (floorDiv(a, b) + 1n) * b > a).toBe(true)
    }),
  )
})
