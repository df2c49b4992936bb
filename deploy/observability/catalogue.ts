import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A metric as README.md describes it. */
export type Metric = {
  name: string
  type: 'counter' | 'gauge' | 'histogram' | 'summary'
  /** `seconds`, `ms`, `bytes`, `records` and so on; 1 for a plain number. */
  unit: string
  labels: string[]
  /** Which process shows it: of our own ones, or the name of somebody else's program. */
  from: string
}

/** Labels that Prometheus itself adds, and `service`, which each of our processes adds to everything. */
export const ADDED_LABELS = ['job', 'instance', 'pod', 'service'] as const

/** The suffixes under which a histogram's series are read. */
const HISTOGRAM = ['_bucket', '_sum', '_count']

/** Every metric in README.md's tables. @throws for a type that Prometheus does not know */
export function readCatalogue(folder: string): Metric[] {
  const text = readFileSync(join(folder, 'README.md'), 'utf8')
  return [...text.matchAll(/^\| `(\w+)` \| (\w+) \| ([^|]+) \| ([^|]*) \| ([^|]+) \| ([^|]+) \|$/gm)].map(
    ([, name = '', type = '', unit = '', labels = '', from = '']) => {
      if (type !== 'counter' && type !== 'gauge' && type !== 'histogram' && type !== 'summary')
        throw new Error(`README.md: ${name} is of no known type: ${type}`)
      const labelNames = [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label)
      return { name, type, unit: unit.trim(), labels: labelNames, from: from.trim() }
    },
  )
}

/** The metric that a series belongs to, by the names of the catalogue. */
export function metricOf(catalogue: readonly Metric[], series: string): Metric | undefined {
  return catalogue.find(
    ({ name, type }) =>
      name === series || (type === 'histogram' && HISTOGRAM.some((suffix) => series === `${name}${suffix}`)),
  )
}
