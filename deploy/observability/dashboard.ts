/** One line of a graph: a PromQL expression, and what the legend calls it. */
export type Query = readonly [expression: string, legend: string]
/** How a value is shown, by Grafana's names. */
export type Unit = 'reqps' | 's' | 'ms' | 'percentunit' | 'short' | 'ops' | 'bytes' | 'dateTimeFromNow'
export type Panel = {
  title: string
  /** What a reader should take from it. */
  about?: string
  unit: Unit
  queries: readonly Query[]
  /** A single number in place of a graph. */
  single?: true
  /** From here on the value is bad. */
  badFrom?: number
}
export type Dashboard = { uid: string; title: string; panels: readonly Panel[] }

/** The width of Grafana's grid; two panels stand side by side. */
const WIDTH = 24
const COLUMNS = 2
const HEIGHT = 8

const datasource = { type: 'prometheus', uid: 'prometheus' }

/** The dashboard as Grafana reads it. The same definition always makes the same text. */
export const toGrafana = ({ uid, title, panels }: Dashboard): object => ({
  uid: `bitka-${uid}`,
  title,
  tags: ['bitka'],
  schemaVersion: 41,
  version: 1,
  editable: false,
  refresh: '30s',
  time: { from: 'now-3h', to: 'now' },
  timezone: 'utc',
  annotations: { list: [] },
  templating: { list: [] },
  links: [{ type: 'dashboards', title: 'BitKa', tags: ['bitka'], asDropdown: true }],
  panels: panels.map(toPanel),
})

function toPanel({ title, about, unit, queries, single, badFrom }: Panel, index: number): object {
  const width = WIDTH / COLUMNS
  const steps = [{ color: 'green', value: null }, ...(badFrom === undefined ? [] : [{ color: 'red', value: badFrom }])]
  return {
    id: index + 1,
    type: single ? 'stat' : 'timeseries',
    title,
    ...(about === undefined ? {} : { description: about }),
    datasource,
    gridPos: { h: HEIGHT, w: width, x: (index % COLUMNS) * width, y: Math.floor(index / COLUMNS) * HEIGHT },
    fieldConfig: {
      defaults: {
        unit,
        ...(unit === 'dateTimeFromNow' ? {} : { min: 0 }),
        thresholds: { mode: 'absolute', steps },
        custom: single ? {} : { lineWidth: 1, fillOpacity: 10, thresholdsStyle: { mode: badFrom ? 'line' : 'off' } },
      },
      overrides: [],
    },
    options: single
      ? { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value' }
      : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
    targets: queries.map(([expr, legendFormat], at) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + at),
      datasource,
      expr,
      legendFormat,
      ...(single ? { instant: true } : {}),
    })),
  }
}
