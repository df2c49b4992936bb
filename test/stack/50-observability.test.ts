import { readFileSync } from 'node:fs'
import { type Metric, metrics } from '@bitka/deploy/observability'
import { serviceTable } from '@bitka/deploy/table'
import { svidFiles } from '@bitka/dev-ca'
import { fakeCollector, waitFor } from '@bitka/testkit'
import { StackWorld } from './world.ts'

/** Where Envoy's own metrics are on a native stack. */
const ENVOY_METRICS = 'http://127.0.0.1:9190/metrics'
/** Programs that do not run here, or whose metrics are not ours. */
const ELSEWHERE =
  /^(Prometheus|Envoy|node exporter|kubelet|backup|identity \(native stack\)|everybody, with tracing on)$/

type Scrape = { types: Map<string, string>; labels: Map<string, Set<string>>; text: string }

async function scrape(url: string): Promise<Scrape> {
  const text = await (await fetch(url, { signal: AbortSignal.timeout(10_000) })).text()
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]))
  const labels = new Map<string, Set<string>>()
  for (const [, series = '', list = ''] of text.matchAll(/^(\w+)(?:\{(.*)\})? /gm)) {
    const base = series.replace(/_(bucket|sum|count)$/, '')
    const name = types.get(base) === 'histogram' ? base : series
    const names = labels.get(name) ?? new Set()
    labels.set(name, names)
    for (const [, label = ''] of list.matchAll(/(\w+)="/g)) names.add(label)
  }
  return { types, labels, text }
}

const urlOf = (metricsPort: number): string => `http://127.0.0.1:${metricsPort}/metrics`
const described = new Map<string, Metric>(metrics().map((metric) => [metric.name, metric]))
let world: StackWorld
beforeAll(async () => {
  world = new StackWorld(5)
  await world.ready()
  // Something of everything has happened.
  await world.load.setUp()
  world.load.start()
  await waitFor(() => world.load.acknowledged.size > 20, { timeoutMs: 120_000, what: 'orders' })
  await world.load.stop()
}, 600_000)

test('every service shows the metrics that the README describes, and no others', async () => {
  const seen = new Set<string>()
  const missing = (): string[] =>
    [...described.values()].filter(({ name, from }) => !ELSEWHERE.test(from) && !seen.has(name)).map(({ name }) => name)
  const look = async ({ name: service, metricsPort }: (typeof serviceTable)[number]): Promise<void> => {
    const { types, labels } = await scrape(urlOf(metricsPort))
    const unlike = [...types].flatMap(([name, type]) => {
      seen.add(name)
      const known = described.get(name)
      if (known?.type !== type) return [`${service}: ${name} is a ${type}, and the README says ${known?.type}`]
      return [...(labels.get(name) ?? [])]
        .filter((label) => label !== 'service' && label !== 'le' && !known.labels.includes(label))
        .map((label) => `${service}: the README does not know the label ${label} of ${name}`)
    })
    expect(unlike).toEqual([])
  }
  // Some are there only once what they measure has happened.
  await waitFor(async () => {
    for (const row of serviceTable) await look(row)
    return expect(missing()).toEqual([]) ?? true
  })
}, 180_000)

test('every process says that it is ready, what it needs, and when it began', async () => {
  const look = async ({ name, metricsPort }: (typeof serviceTable)[number]): Promise<void> => {
    const { text } = await scrape(urlOf(metricsPort))
    expect(text).toContain(`bitka_ready{service="${name}"} 1`)
    expect(text).toMatch(/^bitka_dependency_ok\{dependency="[^"]+",service="[^"]+"\} 1$/m)
    expect(text).not.toMatch(/^bitka_dependency_ok\{.*\} 0$/m)
    const [, began = '0'] = /^process_start_time_seconds\{.*\} (\d+)$/m.exec(text) ?? []
    expect(Number(began) * 1000).toBeLessThanOrEqual(Date.now())
  }
  // A check that was slow shows as a dependency that is away, until the next one.
  for (const row of serviceTable) await waitFor(() => look(row).then(() => true))
}, 180_000)

test('the books are added up, and sum to zero', async () => {
  const ledger = serviceTable.find(({ name }) => name === 'ledger')!
  const scraped = async (): Promise<string> => (await scrape(urlOf(ledger.metricsPort))).text
  const checked = /^bitka_ledger_checked_timestamp_seconds\{service="ledger"\} [1-9]/m
  await waitFor(async () => checked.test(await scraped()), { timeoutMs: 90_000, what: 'the first sum' })
  expect(await scraped()).toContain('bitka_ledger_unbalanced_assets{service="ledger"} 0')
}, 180_000)

test('Envoy shows when the public certificate expires, and its healthy gateways', async () => {
  const { text, labels } = await scrape(ENVOY_METRICS)
  const expiry = [...text.matchAll(/^envoy_listener_ssl_certificate_expiration_unix_time_seconds\{(.*)\} (\S+)$/gm)]
  const ofPublic = expiry.filter(([, list = '']) => list.includes('envoy_tls_certificate="public"'))
  expect(ofPublic.length).toBeGreaterThan(0)
  for (const [, , seconds] of ofPublic) expect(Number(seconds) * 1000).toBeGreaterThan(Date.now())
  expect(text).toMatch(/^envoy_cluster_membership_healthy\{envoy_cluster_name="gateway"\} [1-9]/m)
  for (const { name, from, labels: known } of described.values()) {
    if (from === 'Envoy') expect([...(labels.get(name) ?? [])]).toEqual(expect.arrayContaining(known))
  }
}, 60_000)

test('the way of an order is one trace, from the process at the edge to settlement in another', async () => {
  const { keystoreFile, caFile } = svidFiles(`${world.stack.identityDir}/files/collector`)
  // Certificates live for two minutes here.
  const tlsNow = (): { cert: string; key: string; ca: string } => {
    // Key and certificate from one file, so that they are of one generation.
    const keystore = readFileSync(keystoreFile, 'utf8')
    return { cert: keystore, key: keystore, ca: readFileSync(caFile, 'utf8') }
  }
  const collector = await fakeCollector({ port: 4318, tls: tlsNow() })
  // One in five requests is drawn; the client has no say in it.
  const whole = [
    'gateway POST bitka.order.v1.OrderService/CreateOrder',
    'order bitka.order.v1.OrderService/CreateOrder',
    'ledger bitka.ledger.v1.LedgerPostingService/Hold',
    'order trading.orders.commands publish',
    'matching match',
    'matching trading.matches.executed publish',
    'ledger settle',
    'order trading.matches.executed process',
  ]
  const complete = (): string | undefined => {
    const byTrace = new Map<string, Set<string>>()
    for (const { traceId, service, name } of collector.spans)
      byTrace.set(traceId, (byTrace.get(traceId) ?? new Set()).add(`${service} ${name}`))
    return [...byTrace].find(([, names]) => whole.every((name) => names.has(name)))?.[0]
  }
  try {
    world.load.start()
    const isComplete = (): boolean => {
      collector.renew(tlsNow())
      return complete() !== undefined
    }
    await waitFor(isComplete, { timeoutMs: 120_000, intervalMs: 500, what: 'a whole trace' })
  } finally {
    await world.load.stop()
    await collector.stop()
  }
}, 300_000)

test('a service without PostgreSQL says so in its metrics, while Prometheus goes on reading', async () => {
  const order = serviceTable.find(({ name }) => name === 'order')!
  const watch = waitFor(
    async () =>
      (await scrape(urlOf(order.metricsPort))).text.includes(
        'bitka_dependency_ok{dependency="database",service="order"} 0',
      ),
    { timeoutMs: 120_000, intervalMs: 20, what: 'the metric to say that the database is away' },
  )
  await world.stack.kill('postgres')
  await watch
  await world.ready()
  await waitFor(async () => (await scrape(urlOf(order.metricsPort))).text.includes('bitka_ready{service="order"} 1'))
}, 400_000)
