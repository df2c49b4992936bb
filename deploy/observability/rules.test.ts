import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import { serviceTable } from '../table/index.ts'
import { promtoolTests, untested } from './alert-tests.ts'
import { readCatalogue } from './catalogue.ts'
import { unknownNames, withoutRunbook } from './check.ts'
import { toGrafana } from './dashboard.ts'
import { dashboards } from './dashboards.ts'
import { groupingLabelsOf, selectorsOf } from './promql.ts'
import { readAlerts } from './rules.ts'

const folder = dirname(fileURLToPath(import.meta.url))
const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
const runbooks = readFileSync(join(folder, '../../docs/operations/runbooks.md'), 'utf8')

describe('an expression', () => {
  it.each([
    ['up == 0', ['up']],
    ['sum by (job, le) (rate(a_total{x="b_total", y!~"c{}"}[5m])) / on (z) group_left (w) b', ['a_total', 'b']],
    ['histogram_quantile(0.99, sum(rate(s_bucket[5m] offset 1h))) > 1e3 and absent(c)', ['s_bucket', 'c']],
    ['time() - max without (pod) (d) < 14 * 86400 # e', ['d']],
  ])('reads of %s exactly its metrics', (expression, metrics) => {
    expect(selectorsOf(expression).map(({ metric }) => metric)).toEqual(metrics)
  })

  it('names the labels that it asks for and groups by', () => {
    expect(selectorsOf('rate(a{x="1",y=~"2"}[1m])')).toEqual([{ metric: 'a', labels: ['x', 'y'] }])
    expect(groupingLabelsOf('sum by (x, y) (a) / on (z) group_left (w) b')).toEqual(['x', 'y', 'z', 'w'])
  })

  it('is refused for a metric or a label that nothing has', () => {
    const catalogue = readCatalogue(folder)
    expect(unknownNames(catalogue, 'sum by (service, partition) (bitka_matching_lag_records{partition="1"})')).toEqual(
      [],
    )
    expect(unknownNames(catalogue, 'bitka_matching_lag')).toEqual(['there is no metric bitka_matching_lag'])
    expect(unknownNames(catalogue, 'rate(http_requests_total{code="500"}[5m])')).toEqual([
      'http_requests_total has no label code',
    ])
    expect(unknownNames(catalogue, 'sum by (topic) (bitka_matching_lag_records)')).toEqual([
      'nothing it reads has the label topic',
    ])
    expect(unknownNames(catalogue, 'http_requests_total_bucket')).toHaveLength(1)
  })
})

describe('alerts', () => {
  const alerts = readAlerts(folder)

  it('each have a case that makes them fire, and a section in the runbooks', () => {
    expect(untested(alerts)).toEqual([])
    expect(withoutRunbook(alerts, runbooks)).toEqual([])
  })

  it('are missed when they have no case, or no section', () => {
    const [first] = alerts
    const stranger = {
      ...first!,
      alert: 'Stranger',
      annotations: { summary: 's', runbook_url: 'docs/operations/runbooks.md#stranger' },
    }
    expect(untested([...alerts, stranger])).toEqual(['no case makes Stranger fire'])
    expect(withoutRunbook([stranger], runbooks)).toHaveLength(1)
  })

  it('are what the runbooks have sections for, and nothing else', () => {
    const sections = [...runbooks.matchAll(/^## (\w+)$/gm)].map(([, name = '']) => name)
    expect(sections.filter((name) => !alerts.some(({ alert }) => alert === name))).toEqual([])
  })

  it('are handed to promtool as cases that each say what fires', () => {
    const { tests } = parse(promtoolTests('/rules.yaml')) as { tests: { promql_expr_test: unknown[] }[] }
    expect(tests.length).toBeGreaterThan(30)
    expect(tests.every((one) => one.promql_expr_test.length > 0)).toBe(true)
  })
})

const scrapes = z.object({
  scrape_configs: z.array(
    z.object({
      job_name: z.string(),
      static_configs: z.array(z.object({ targets: z.array(z.string()) })).default([]),
    }),
  ),
})

it('Prometheus scrapes every service of the table, and nothing that is not there', () => {
  const { scrape_configs: jobs } = scrapes.parse(parse(read('prometheus.yml')))
  const targets = jobs.find(({ job_name: name }) => name === 'bitka')?.static_configs.flatMap((one) => one.targets)
  expect(targets).toEqual(serviceTable.map(({ name, metricsPort }) => `${name}:${metricsPort}`))
})

describe('dashboards', () => {
  it('are those of the list, as files that Grafana reads', () => {
    for (const dashboard of dashboards) {
      expect(JSON.parse(read(`dashboards/${dashboard.uid}.json`))).toEqual(toGrafana(dashboard))
    }
    const subjects = ['orders', 'ledger', 'matching', 'events', 'dead-letters', 'mesh', 'identity']
    expect(dashboards.map(({ uid }) => uid)).toEqual(expect.arrayContaining(subjects))
  })

  it('have queries of metrics that exist', () => {
    const catalogue = readCatalogue(folder)
    const problems = dashboards.flatMap(({ panels }) =>
      panels.flatMap(({ title, queries }) =>
        queries.flatMap(([expr]) => unknownNames(catalogue, expr).map((problem) => `${title}: ${problem}`)),
      ),
    )
    expect(problems).toEqual([])
  })

  it('ask data sources that are provisioned', () => {
    const { datasources } = parse(read('grafana/provisioning/datasources/bitka.yaml')) as {
      datasources: { uid: string }[]
    }
    expect(datasources.map(({ uid }) => uid)).toEqual(['prometheus', 'loki', 'tempo'])
  })
})

it('what is kept is kept for a time that somebody has chosen', () => {
  expect(parse(read('loki.yaml'))).toMatchObject({
    compactor: { retention_enabled: true },
    limits_config: { retention_period: '720h' },
  })
  expect(parse(read('tempo.yaml'))).toMatchObject({ compactor: { compaction: { block_retention: '168h' } } })
})

it('every pipeline of the collector is made of parts that it defines', () => {
  const collector = parse(read('collector.yaml')) as Record<string, Record<string, unknown>> & {
    service: {
      extensions: string[]
      pipelines: Record<string, Record<'receivers' | 'processors' | 'exporters', string[]>>
    }
  }
  expect(Object.keys(collector.service.pipelines)).toEqual(['traces', 'logs'])
  expect(Object.keys(collector.extensions ?? {})).toEqual(collector.service.extensions)
  for (const pipeline of Object.values(collector.service.pipelines)) {
    for (const kind of ['receivers', 'processors', 'exporters'] as const)
      expect(Object.keys(collector[kind] ?? {})).toEqual(expect.arrayContaining(pipeline[kind]))
  }
})
