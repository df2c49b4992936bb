import { createServer, type Server } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { type DevCa, startDevCa } from '@bitka/dev-ca'
import { loadConfig, silentLogger } from '@bitka/kernel'
import { WorkloadIdentity } from '@bitka/mesh'
import { tempDir, waitFor } from '@bitka/testkit'
import { Registry } from 'prom-client'
import { z } from 'zod'
import { startTracing, tracingShape } from './tracing.ts'

const configOf = (env: Record<string, string>) => loadConfig(z.object(tracingShape), env)

it.each(['http://collector:4318', 'http://10.0.0.1:4318', 'ftp://localhost', 'collector:4318'])(
  'refuses to send spans in the clear to %s',
  (endpoint) => {
    expect(() => configOf({ BITKA_OTLP_ENDPOINT: endpoint })).toThrow('BITKA_OTLP_ENDPOINT')
  },
)

it.each(['http://localhost:4318', 'http://127.0.0.1:4318', 'https://collector:4318'])('takes %s', (endpoint) => {
  expect(configOf({ BITKA_OTLP_ENDPOINT: endpoint }).BITKA_OTLP_ENDPOINT).toBe(endpoint)
})

it('is off where no collector is named', async () => {
  const identity = {} as WorkloadIdentity
  const config = configOf({ BITKA_OTLP_ENDPOINT: '' })
  expect((await startTracing({ service: 'order', config, identity, registry: new Registry() })).enabled).toBe(false)
})

describe('over TLS', () => {
  let ca: DevCa
  const identities: WorkloadIdentity[] = []
  const identityOf = async (name: string): Promise<WorkloadIdentity> => {
    const identity = WorkloadIdentity.connect({ socketPath: ca.socketPath(name), log: silentLogger })
    identities.push(identity)
    await identity.ready()
    return identity
  }
  beforeAll(async () => {
    const services = ['order', 'collector', 'audit'].map((name) => ({ name }))
    ca = await startDevCa({ dir: await tempDir(), services, ttlSeconds: 3600, log: silentLogger })
  })
  afterAll(async () => {
    for (const identity of identities) identity.close()
    await ca?.stop()
  })

  /** Sends one span to a collector that has the identity of `name`; answers who sent it there, if it came. */
  async function send(name: string): Promise<{ peers: string[]; metrics: string }> {
    const { privateKeyPem: key, certificatePem: cert, bundlePem: trusted } = (await identityOf(name)).current()
    const peers: string[] = []
    const server: Server = createServer(
      { key, cert, ca: trusted, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' },
      (request, response) => {
        peers.push((request.socket as TLSSocket).getPeerCertificate().subjectaltname ?? '')
        request.resume().on('end', () => response.writeHead(200).end('{}'))
      },
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const registry = new Registry()
    const config = configOf({ BITKA_OTLP_ENDPOINT: `https://127.0.0.1:${port}`, BITKA_TRACE_RATIO: '1' })
    const tracing = await startTracing({ service: 'order', config, identity: await identityOf('order'), registry })
    try {
      tracing.begin('request', undefined).end()
      await waitFor(async () => /bitka_trace_spans_total\{/.test(await registry.metrics()))
      return { peers, metrics: await registry.metrics() }
    } finally {
      await tracing.stop()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }

  it('shows its own identity to the collector', async () => {
    const { peers, metrics } = await send('collector')
    expect(peers).toEqual([`URI:spiffe://${ca.trustDomain}/ns/bitka/sa/order`])
    expect(metrics).toContain('{outcome="exported"} 1')
  })

  it('tells nothing to anybody else', async () => {
    const { peers, metrics } = await send('audit')
    expect(peers).toEqual([])
    expect(metrics).toContain('{outcome="failed"} 1')
  })
})
