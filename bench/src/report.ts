/** One measured figure, as bench/out/latest.json keeps it. */
export type Metric = {
  id: string
  value: number
  unit: string
  better: 'higher' | 'lower'
  /** What it is compared with, on the same machine in the same run. */
  peer?: string
  peer_value?: number
  /** Everything that somebody needs to repeat it or to doubt it. */
  conditions: Readonly<Record<string, unknown>>
}

const number = (value: number): string =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)))

/** How many times better than the peer. */
export function ratio({ value, peer_value, better }: Metric): number | undefined {
  if (peer_value === undefined || value === 0 || peer_value === 0) return undefined
  return better === 'higher' ? value / peer_value : peer_value / value
}

/** A table for people: a figure a line, its notes under it. */
export function table(metrics: readonly Metric[]): string {
  const rows = metrics.map((metric) => {
    const times = ratio(metric)
    return [
      metric.id,
      number(metric.value),
      metric.unit,
      metric.peer_value === undefined ? '' : number(metric.peer_value),
      times === undefined ? '' : `${number(times)} x`,
      metric.peer ?? '',
    ]
  })
  const all = [['id', 'value', 'unit', 'peer', 'ratio', ''], ...rows]
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0
          return [1, 3, 4].includes(column) ? cell.padStart(width) : cell.padEnd(width)
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
