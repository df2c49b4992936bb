import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DevCa, startDevCa } from '@bitka/dev-ca'
import { createLogger } from '@bitka/kernel'
import { freePorts } from '@bitka/supervisor'
import { waitFor } from '@bitka/testkit'
import { type RunningGateway, startGateway } from '../src/service.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bitka-gateway-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

/** Status and text of a probe; undefined while nobody listens. */
async function probe(port: number, path = '/readyz'): Promise<[number, string] | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    return [response.status, await response.text()]
  } catch {
    return undefined
  }
}

const environment = (httpPort: number, metricsPort: number, svidSocket: string) => ({
  BITKA_PROFILE: 'demo',
  SPIFFE_ENDPOINT_SOCKET: svidSocket,
  BITKA_PEERS: 'auth=localhost:1',
  BITKA_HTTP_PORT: String(httpPort),
  BITKA_METRICS_PORT: String(metricsPort),
})

it('waits for its identity, says so, and opens its door once it has it and not before', async () => {
  const [httpPort = 0, metricsPort = 0] = await freePorts(2)
  const lines: string[] = []
  const log = createLogger('gateway', { destination: { write: (line) => lines.push(line) } })
  const starting = startGateway(environment(httpPort, metricsPort, join(dir, 'sockets', 'gateway.sock')), { log })
  let ca: DevCa | undefined
  let gateway: RunningGateway | undefined
  try {
    await waitFor(async () => (await probe(metricsPort)) !== undefined)
    expect(await probe(metricsPort)).toEqual([503, 'its identity'])
    expect(await probe(metricsPort, '/livez')).toEqual([200, 'ok'])
    await waitFor(() => lines.some((line) => line.includes('"waiting_for":"its identity"')))
    expect(await probe(httpPort, '/healthz')).toBeUndefined()
    ca = await startDevCa({ dir, services: [{ name: 'gateway' }], log })
    gateway = await starting
    expect((await probe(httpPort, '/healthz'))?.[0]).toBe(200)
    const [status, missing] = (await probe(metricsPort)) ?? []
    expect(status).toBe(503)
    expect(missing).toContain('auth')
    expect(missing).not.toContain('identity')
  } finally {
    await gateway?.stop()
    await ca?.stop()
  }
})

it('is not ready with a certificate that is past', async () => {
  const [httpPort = 0, metricsPort = 0] = await freePorts(2)
  const ca = await startDevCa({
    dir,
    services: [{ name: 'gateway' }],
    ttlSeconds: 2,
    log: createLogger('ca', { level: 'silent' }),
  })
  const gateway = await startGateway({
    ...environment(httpPort, metricsPort, ca.socketPath('gateway')),
    BITKA_LOG_LEVEL: 'silent',
  })
  try {
    // On a machine that stands still for two seconds even a living certificate is past for a moment.
    await waitFor(async () => (await probe(metricsPort))?.[1].includes('identity') === false)
    await ca.stop()
    await waitFor(async () => (await probe(metricsPort))?.[1].includes('identity'))
  } finally {
    await gateway.stop()
  }
})
