// A WAL segment's name: timeline, then the segment's number in two parts, each 8 hexadecimal digits.

/** A position in the WAL: "2/A0000028" → bytes. */
export function lsnOf(text: string): bigint {
  const [high, low] = text.split('/')
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)
}

export const isSegment = (name: string): boolean => /^[0-9A-F]{24}$/.test(name)
/** Says where a timeline left its parent; needed to follow it. */
export const isHistory = (name: string): boolean => /^[0-9A-F]{8}\.history$/.test(name)

/** What orders segments whatever their timeline. */
export const placeOf = (segment: string): string => segment.slice(8)

const hex = (value: bigint): string => value.toString(16).toUpperCase().padStart(8, '0')

/** The segment's number, whatever its timeline. */
const numberOf = (segment: string, segmentBytes: bigint): bigint =>
  BigInt(`0x${segment.slice(8, 16)}`) * (0x100000000n / segmentBytes) + BigInt(`0x${segment.slice(16)}`)

/** The first segment after `last` that is not there although later ones are; undefined when there is no such gap. */
export function firstMissing(names: readonly string[], last: string, segmentBytes: bigint): string | undefined {
  const numbers = new Set(names.filter(isSegment).map((name) => numberOf(name, segmentBytes)))
  const perFile = 0x100000000n / segmentBytes
  const end = [...numbers].reduce((a, b) => (a > b ? a : b), 0n)
  for (let number = numberOf(last, segmentBytes) + 1n; number < end; number += 1n) {
    if (!numbers.has(number)) return `${hex(number / perFile)}${hex(number % perFile)}`
  }
  return undefined
}

/** The segments of one timeline from this one to the one with the last byte before `end`. */
export function segmentsBetween(first: string, end: bigint, segmentBytes: bigint): string[] {
  const timeline = first.slice(0, 8)
  const perFile = 0x100000000n / segmentBytes
  const start = numberOf(first, segmentBytes)
  const last = (end - 1n) / segmentBytes
  const names: string[] = []
  for (let number = start; number <= last; number += 1n) {
    names.push(`${timeline}${hex(number / perFile)}${hex(number % perFile)}`)
  }
  return names
}
