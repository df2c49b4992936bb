/** The value below which `share` of the samples lie (nearest rank), of samples that are sorted upwards. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return Number.NaN
  const rank = Math.ceil(share * sorted.length)
  return sorted[Math.min(Math.max(rank, 1), sorted.length) - 1] ?? Number.NaN
}

/** The middle one; of an even number the mean of the two in the middle. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  if (sorted.length % 2 === 1) return upper
  return ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** What a person wants to know of latencies. */
export type Spread = { count: number; p50: number; p99: number; p999: number; max: number }

/** Sorts in place. */
export function spread(samples: number[] | Float64Array): Spread {
  if (Array.isArray(samples)) samples.sort((a, b) => a - b)
  else samples.sort()
  return {
    count: samples.length,
    p50: percentile(samples, 0.5),
    p99: percentile(samples, 0.99),
    p999: percentile(samples, 0.999),
    max: percentile(samples, 1),
  }
}

/** A number as short as it is exact enough for people: three significant digits, whole above a hundred. */
export function round(value: number): number {
  if (!Number.isFinite(value) || value === 0) return value
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return Number(value.toFixed(digits))
}

/** Latencies in milliseconds, rounded for a report. */
export const shown = ({ count, p50, p99, p999, max }: Spread): Spread => ({
  count,
  p50: round(p50),
  p99: round(p99),
  p999: round(p999),
  max: round(max),
})
