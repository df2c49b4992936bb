import { invalidField } from '@bitka/kernel'

/** A number written exactly: `units` ÷ 10^`decimals`. "0.05" is {units: 5n, decimals: 2}. */
export type ExactDecimal = { readonly units: bigint; readonly decimals: number }

const DECIMAL = /^(0|[1-9][0-9]{0,37})(?:\.([0-9]{1,18}))?$/

/**
 * Reads a decimal string of at most 18 decimals, as short as it can be written ("0.50" is 5 tenths).
 * @throws DomainError invalid, naming `field`
 */
export function parseExact(text: string, field: string): ExactDecimal {
  const match = DECIMAL.exec(text)
  if (!match) throw invalidField(field, 'must be a decimal number such as "1.25"')
  const fraction = (match[2] ?? '').replace(/0+$/, '')
  return { units: BigInt((match[1] ?? '0') + fraction), decimals: fraction.length }
}

/**
 * How many whole steps a number is.
 * @throws DomainError invalid when it is not a whole number of steps, or more than the engine can count
 */
export function parseSteps(text: string, step: ExactDecimal, stepName: string, field: string): bigint {
  const { units, decimals } = parseExact(text, field)
  const top = units * 10n ** BigInt(step.decimals)
  const bottom = step.units * 10n ** BigInt(decimals)
  if (top % bottom !== 0n) throw invalidField(field, `must be a whole multiple of the ${stepName} ${formatExact(step)}`)
  const steps = top / bottom
  if (steps > BigInt(Number.MAX_SAFE_INTEGER)) throw invalidField(field, 'is too large')
  return steps
}

/** Writes `steps` × `step` without trailing zeros. */
export const formatSteps = (steps: bigint, step: ExactDecimal): string =>
  formatExact({ units: steps * step.units, decimals: step.decimals })

/** Writes an exact number without trailing zeros. */
export function formatExact({ units, decimals }: ExactDecimal): string {
  const digits = units.toString().padStart(decimals + 1, '0')
  if (decimals === 0) return digits
  const fraction = digits.slice(-decimals).replace(/0+$/, '')
  return digits.slice(0, -decimals) + (fraction && `.${fraction}`)
}
