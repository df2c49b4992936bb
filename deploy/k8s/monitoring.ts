import { readdirSync, readFileSync } from 'node:fs'
import { parse, stringify } from 'yaml'

const folder = new URL('../observability/', import.meta.url)
const text = (path: string): string => readFileSync(new URL(path, folder), 'utf8')
const HEAD = '# Made by deploy/k8s of deploy/observability; not edited by hand.\n'

type Collector = {
  receivers: Record<string, unknown>
  exporters: Record<string, unknown>
  extensions: Record<string, unknown>
  service: { extensions: string[]; pipelines: Record<string, unknown> }
}

/** On Google's cloud the nodes hand logs to Cloud Logging: the collector only takes traces. */
function tracesOnly(): string {
  const { receivers, exporters, extensions, service, ...rest } = parse(text('collector.yaml')) as Collector
  const { filelog: _filelog, ...otherReceivers } = receivers
  const { 'otlphttp/logs': _logs, ...otherExporters } = exporters
  const { file_storage: _storage, ...otherExtensions } = extensions
  const { logs: _pipeline, ...pipelines } = service.pipelines
  return (
    HEAD +
    stringify({
      extensions: otherExtensions,
      receivers: otherReceivers,
      ...rest,
      exporters: otherExporters,
      service: { ...service, extensions: service.extensions.filter((name) => name !== 'file_storage'), pipelines },
    })
  )
}

/** Grafana's sources without Loki. */
function sourcesWithoutLogs(): string {
  const sources = parse(text('grafana/provisioning/datasources/bitka.yaml')) as {
    datasources: { uid: string; jsonData?: Record<string, unknown> }[]
  }
  const datasources = sources.datasources
    .filter(({ uid }) => uid !== 'loki')
    .map(({ jsonData: { tracesToLogsV2: _links, ...jsonData } = {}, ...source }) => ({ ...source, jsonData }))
  return HEAD + stringify({ ...sources, datasources })
}

/** The files of deploy/observability that Prometheus and its companions read in the cluster, by their path in k8s/monitoring. */
export function monitoringFiles(): Map<string, string> {
  const dashboards = readdirSync(new URL('dashboards', folder)).filter((name) => name.endsWith('.json'))
  return new Map([
    ['base/generated/prometheus.yml', text('prometheus.k8s.yml')],
    ['base/generated/alerts.yaml', text('alerts.yaml')],
    ['base/generated/tempo.yaml', text('tempo.yaml')],
    ['base/generated/collector.yaml', text('collector.yaml')],
    ['base/generated/grafana-sources.yaml', text('grafana/provisioning/datasources/bitka.yaml')],
    ['base/generated/grafana-dashboards.yaml', text('grafana/provisioning/dashboards/bitka.yaml')],
    ...dashboards.map((name): [string, string] => [`base/generated/dashboards/${name}`, text(`dashboards/${name}`)]),
    ['k3s/generated/loki.yaml', text('loki.yaml')],
    ['gke/generated/collector.yaml', tracesOnly()],
    ['gke/generated/grafana-sources.yaml', sourcesWithoutLogs()],
  ])
}
