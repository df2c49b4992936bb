import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { stringify } from 'yaml'
import { promtoolTests, untested } from './alert-tests.ts'
import { ADDED_LABELS, type Metric, metricOf, readCatalogue } from './catalogue.ts'
import { toGrafana } from './dashboard.ts'
import { dashboards } from './dashboards.ts'
import { groupingLabelsOf, selectorsOf } from './promql.ts'
import { type Alert, readAlerts } from './rules.ts'

export const dashboardFile = (folder: string, uid: string): string => join(folder, 'dashboards', `${uid}.json`)

/** What is wrong with the rules, the dashboards and the configuration in a folder; nothing when all is well. */
export function problemsOf(folder: string, promtool: string, runbooks: string): string[] {
  const alerts = readAlerts(folder)
  const catalogue = readCatalogue(folder)
  const expressions = [
    ...alerts.map(({ alert, expr }) => ({ where: alert, expr })),
    ...dashboards.flatMap(({ uid, panels }) =>
      panels.flatMap(({ title, queries }) => queries.map(([expr]) => ({ where: `${uid}: ${title}`, expr }))),
    ),
  ]
  return [
    ...expressions.flatMap(({ where, expr }) => unknownNames(catalogue, expr).map((name) => `${where}: ${name}`)),
    ...untested(alerts),
    ...withoutRunbook(alerts, readFileSync(runbooks, 'utf8')),
    ...stale(folder),
    ...promtoolProblems(folder, promtool, expressions),
  ]
}

/** Metrics and labels of an expression that README.md does not know. */
export function unknownNames(catalogue: readonly Metric[], expression: string): string[] {
  const read = selectorsOf(expression).map(({ metric, labels }) => ({
    metric,
    labels,
    known: metricOf(catalogue, metric),
  }))
  const possible = new Set(read.flatMap(({ known }) => known?.labels ?? []))
  const isAdded = (label: string): boolean => ADDED_LABELS.some((added) => added === label) || label === 'le'
  return [
    ...read.flatMap(({ metric, labels, known }) =>
      known
        ? labels
            .filter((label) => !isAdded(label) && !known.labels.includes(label))
            .map((label) => `${metric} has no label ${label}`)
        : [`there is no metric ${metric}`],
    ),
    ...groupingLabelsOf(expression)
      .filter((label) => !isAdded(label) && !possible.has(label))
      .map((label) => `nothing it reads has the label ${label}`),
  ]
}

/** Alerts whose `runbook_url` names no section of the runbooks. */
export function withoutRunbook(alerts: readonly Alert[], runbooks: string): string[] {
  const sections = new Set([...runbooks.matchAll(/^## (\w+)$/gm)].map(([, title = '']) => title.toLowerCase()))
  return alerts.flatMap(({ alert, annotations: { runbook_url: url } }) => {
    const [file, section = ''] = url.split('#')
    const isThere = file === 'docs/operations/runbooks.md' && sections.has(section)
    return isThere ? [] : [`${alert}: ${url} is no section of the runbooks`]
  })
}

/** Files of dashboards that are not what the definitions make. */
const stale = (folder: string): string[] =>
  dashboards.flatMap((dashboard) => {
    const file = dashboardFile(folder, dashboard.uid)
    const isFresh = existsSync(file) && isDeepStrictEqual(JSON.parse(readFileSync(file, 'utf8')), toGrafana(dashboard))
    return isFresh ? [] : [`${file} is not what dashboards.ts makes: generate it anew`]
  })

function promtoolProblems(folder: string, promtool: string, expressions: { where: string; expr: string }[]): string[] {
  const work = mkdtempSync(join(tmpdir(), 'bitka-rules-'))
  try {
    const write = (name: string, text: string): string => {
      writeFileSync(join(work, name), text)
      return join(work, name)
    }
    const rulesFile = resolve(folder, 'alerts.yaml')
    // Each query as a recording rule: promtool parses what it reads.
    const rules = expressions.map(({ expr }, at) => ({ record: `query:${at}`, expr }))
    const queries = write('queries.yaml', stringify({ groups: [{ name: 'queries', rules }] }))
    const tests = write('alerts.test.yaml', promtoolTests(rulesFile))
    const configs = ['prometheus.yml', 'prometheus.k8s.yml'].map((name) => {
      const text = readFileSync(join(folder, name), 'utf8')
      return write(name, text.replaceAll('/etc/prometheus/alerts.yaml', rulesFile))
    })
    return [
      ['check', 'rules', '--lint=all', '--lint-fatal', rulesFile],
      ['check', 'rules', '--lint=none', queries],
      ['test', 'rules', tests],
      // Files of credentials are where Prometheus runs, not here.
      ...configs.map((file) => ['check', 'config', '--syntax-only', file]),
    ].flatMap((args) => {
      const { status, stdout, stderr } = spawnSync(promtool, args, { encoding: 'utf8' })
      return status === 0 ? [] : [`promtool ${args.slice(0, 2).join(' ')}:\n${stdout}${stderr}`]
    })
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
