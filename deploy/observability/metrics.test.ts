import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { readCatalogue } from './catalogue.ts'

const folder = dirname(fileURLToPath(import.meta.url))
const root = join(folder, '../..')
const OTHERS = ['Prometheus', 'Envoy', 'node exporter', 'kubelet']

/** Metrics that the code makes: every `name: '…'` beside a `help:`, and what `gauge('…', …)` makes. */
function metricsInCode(): string[] {
  const sources = ['libs', 'services', 'gateway', 'deploy'].flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !/(^|\/)(node_modules|dist|gen|test)\/|\.test\.ts$/.test(file))
      .map((file) => readFileSync(join(root, top, file), 'utf8'))
      .filter((text) => text.includes('prom-client')),
  )
  return sources.flatMap((text) => [
    ...[...text.matchAll(/name: (?:'([a-z_]+)'|`rpc_\$\{side\}_([a-z_]+)`),\s+help:/g)].flatMap(([, name, rpc]) =>
      name === undefined ? [`rpc_server_${rpc}`, `rpc_client_${rpc}`] : [name],
    ),
    ...[...text.matchAll(/gauge\(\s*'([a-z_]+)'/g)].map(([, name = '']) => name),
  ])
}

it('README.md names every metric of ours, and none that is gone', () => {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const inCode = new Set([...metricsInCode(), ...registry.getMetricsAsArray().map(({ name }) => name)])
  const catalogue = readCatalogue(folder).filter(({ from }) => !OTHERS.includes(from))
  expect(catalogue.map(({ name }) => name).sort()).toEqual([...inCode].sort())
})

it('README.md names each metric once, with a unit', () => {
  const catalogue = readCatalogue(folder)
  expect(new Set(catalogue.map(({ name }) => name)).size).toBe(catalogue.length)
  expect(catalogue.filter(({ unit }) => unit === '')).toEqual([])
})
