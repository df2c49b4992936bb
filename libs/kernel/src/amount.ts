import { DomainError, invalidField } from './errors.ts'

/** The most that any amount can be, in minor units: numeric(38,0) in the database. */
export const MAX_MINOR = 10n ** 38n - 1n
/** The most decimals an asset can have. */
export const MAX_DECIMALS = 18

/** Money: a whole number of minor units of an asset with so many decimals. Never a float. */
export type Amount = { readonly minor: bigint; readonly decimals: number }

const DECIMAL = /^(0|[1-9][0-9]{0,37})(?:\.([0-9]{1,18}))?$/

/** What is expected of an amount that is none. */
export const DECIMAL_EXPECTED = 'must be a decimal number such as "1.25"'

/** Whether a text is a decimal number as amounts are written, before the asset's decimals are known. */
export const isDecimal = (text: string): boolean => DECIMAL.test(text)

/**
 * Reads a decimal string ("0.5") as minor units of an asset with `decimals` decimals. Refuses, never rounds: signs,
 * exponents, leading zeros, more decimals than the asset has, and anything above 10^38 − 1 minor units.
 * @throws DomainError invalid, naming `field`
 */
export function parseMinor(text: string, decimals: number, field = 'amount'): bigint {
  const match = DECIMAL.exec(text)
  if (!match) throw invalidField(field, DECIMAL_EXPECTED)
  const fraction = match[2] ?? ''
  if (fraction.length > decimals) throw invalidField(field, `has more than ${decimals} decimals`)
  const minor = BigInt((match[1] ?? '0') + fraction.padEnd(decimals, '0'))
  if (minor > MAX_MINOR) throw invalidField(field, 'is too large')
  return minor
}

/** As parseMinor, and refuses zero. */
export function parsePositiveMinor(text: string, decimals: number, field = 'amount'): bigint {
  const minor = parseMinor(text, decimals, field)
  if (minor === 0n) throw invalidField(field, 'must be greater than zero')
  return minor
}

/** Writes minor units as a decimal string without trailing zeros: 150 with 2 decimals is "1.5". */
export function formatMinor(minor: bigint, decimals: number): string {
  const fixed = formatMinorFixed(minor, decimals)
  return fixed.includes('.') ? fixed.replace(/\.?0+$/, '') : fixed
}

/** Writes minor units with every decimal shown: 150 with 2 decimals is "1.50". */
export function formatMinorFixed(minor: bigint, decimals: number): string {
  const sign = minor < 0n ? '-' : ''
  const digits = (minor < 0n ? -minor : minor).toString().padStart(decimals + 1, '0')
  if (decimals === 0) return sign + digits
  return `${sign}${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`
}

/** Reads minor units that travel between services as a whole number in a string. */
export function minorFromWire(text: string): bigint {
  if (!/^-?(0|[1-9][0-9]{0,38})$/.test(text))
    throw new DomainError('invalid', 'An amount on the wire is not a whole number.')
  return BigInt(text)
}

/** a ÷ b rounded up, for b > 0 and any sign of a. */
export const ceilDiv = (a: bigint, b: bigint): bigint => (a > 0n ? (a + b - 1n) / b : a / b)

/** a ÷ b rounded down, for b > 0 and any sign of a. */
export const floorDiv = (a: bigint, b: bigint): bigint => (a >= 0n ? a / b : -((-a + b - 1n) / b))
