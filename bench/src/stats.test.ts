import { median, percentile, round, spread } from './stats.ts'

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

test.each([
  [upTo(100), 0.5, 50],
  [upTo(100), 0.99, 99],
  [upTo(100), 1, 100],
  [upTo(1000), 0.999, 999],
  [[7], 0.01, 7], // one sample is every percentile
  [[1, 9], 0.5, 1], // nearest rank: never a value that nobody measured
])('of %j the share %d lies at or below %d', (samples, share, expected) => {
  expect(percentile(samples, share)).toBe(expected)
})

it('has no percentile of nothing', () => {
  expect(percentile([], 0.5)).toBeNaN()
})

test.each([
  [[3, 1, 2], 2],
  [[4, 1, 3, 2], 2.5],
  [[5], 5],
])('the median of %j is %d', (samples, expected) => {
  expect(median(samples)).toBe(expected)
})

it('spreads samples in any order, in arrays of both kinds', () => {
  const expected = { count: 1000, p50: 500, p99: 990, p999: 999, max: 1000 }
  expect(spread(upTo(1000).reverse())).toEqual(expected)
  expect(spread(Float64Array.from(upTo(1000).reverse()))).toEqual(expected)
})

test.each([
  [123_456.7, 123_457],
  [99.94, 99.9],
  [1.2345, 1.23],
  [0.012345, 0.0123],
  [0, 0],
])('%d is shown as %d', (value, expected) => {
  expect(round(value)).toBe(expected)
})
