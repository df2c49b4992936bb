import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'

/** A span as a collector got it. */
export type ReceivedSpan = {
  service: string
  name: string
  traceId: string
  spanId: string
  /** Empty for the first one of a trace. */
  parentSpanId: string
  /** The numbers of OpenTelemetry: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number
  attributes: Record<string, unknown>
  links: string[]
  failed: boolean
}

type AnyValue = { stringValue?: string; intValue?: string | number; boolValue?: boolean; doubleValue?: number }
type KeyValue = { key: string; value: AnyValue }
type OtlpSpan = {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  attributes?: KeyValue[]
  links?: { spanId: string }[]
  status?: { code?: number }
}
type OtlpRequest = {
  resourceSpans: { resource: { attributes: KeyValue[] }; scopeSpans: { spans: OtlpSpan[] }[] }[]
}

/** A collector of traces that takes OTLP over HTTP as JSON, and keeps what it gets. */
export type FakeCollector = {
  url: string
  spans: ReceivedSpan[]
  /** What it answers; 200 unless a test says otherwise. */
  status: number
  /** A new certificate for the connections to come, where there is mutual TLS. */
  renew(tls: CollectorTls): void
  stop(): Promise<void>
}

/** PEM. */
type CollectorTls = { key: string; cert: string; ca: string }

export type FakeCollectorOptions = {
  /** A free one unless given. */
  port?: number
  /** Mutual TLS with these; without it in the clear. */
  tls?: CollectorTls
}

export async function fakeCollector({ port = 0, tls }: FakeCollectorOptions = {}): Promise<FakeCollector> {
  const collector: FakeCollector = { url: '', spans: [], status: 200, renew: () => {}, stop: async () => {} }
  const answer: RequestListener = (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const wanted = request.method === 'POST' && request.url === '/v1/traces'
      if (wanted && collector.status === 200)
        collector.spans.push(...read(JSON.parse(Buffer.concat(chunks).toString('utf8')) as OtlpRequest))
      response.writeHead(wanted ? collector.status : 404, { 'content-type': 'application/json' }).end('{}')
    })
  }
  const secured =
    tls && createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' }, answer)
  const server = secured ?? createServer(answer)
  collector.renew = (next) => secured?.setSecureContext({ ...next, minVersion: 'TLSv1.3' })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the collector has no port')
  collector.url = `${tls ? 'https' : 'http'}://127.0.0.1:${address.port}`
  collector.stop = () =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return collector
}

const read = ({ resourceSpans }: OtlpRequest): ReceivedSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(valuesOf(resource.attributes)['service.name'])
    return scopeSpans.flatMap(({ spans }) =>
      spans.map(({ traceId, spanId, parentSpanId = '', name, kind, attributes = [], links = [], status }) => ({
        service,
        name,
        traceId,
        spanId,
        parentSpanId,
        kind,
        attributes: valuesOf(attributes),
        links: links.map((link) => link.spanId),
        failed: status?.code === 2,
      })),
    )
  })

const valuesOf = (attributes: KeyValue[]): Record<string, unknown> =>
  Object.fromEntries(
    attributes.map(({ key, value: { stringValue, intValue, boolValue, doubleValue } }) => [
      key,
      stringValue ?? intValue ?? boolValue ?? doubleValue,
    ]),
  )
