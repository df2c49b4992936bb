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

/** The segments of one timeline from this one to the one with the last byte before `end`. */
export function segmentsBetween(first: string, end: bigint, segmentBytes: bigint): string[] {
  const timeline = first.slice(0, 8)
  const perFile = 0x100000000n / segmentBytes
  const start = BigInt(`0x${first.slice(8, 16)}`) * perFile + BigInt(`0x${first.slice(16)}`)
  const last = (end - 1n) / segmentBytes
  const names: string[] = []
  for (let number = start; number <= last; number += 1n) {
    names.push(`${timeline}${hex(number / perFile)}${hex(number % perFile)}`)
  }
  return names
}
