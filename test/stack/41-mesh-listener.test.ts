import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectH2 } from 'node:http2'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { CALLER, startTestEdge, type TestEdge } from '@bitka/deploy/envoy'
import { mustBeEnvoy, read } from '@bitka/deploy/internal-caller'
import { attachStack } from '@bitka/deploy/native'
import { waitFor } from '@bitka/testkit'
import { ask, askH2, envoyBinary, refusal } from './edge/http.ts'

const program = fileURLToPath(new URL('../../dist/internal-caller.mjs', import.meta.url))
const gateway = 'spiffe://bitka.local/ns/bitka/sa/gateway'
const run = promisify(execFile)

type Leaf = Parameters<TestEdge['identity']>[0]

let edge: TestEdge
let reached: Record<string, string | string[] | undefined>[]
beforeAll(async () => {
  edge = await startTestEdge({ binary: await envoyBinary() })
  edge.upstream.http = (req, res) => {
    reached.push(req.headers)
    req.resume()
    res.setHeader('Content-Type', 'application/json').end('{"success":true}')
  }
}, 120_000)
beforeEach(() => {
  reached = []
})
afterAll(() => edge?.stop())

/** TLS of a client that shows this certificate and takes only Envoy for an answer. */
async function shows(leaf: Leaf): Promise<ConnectionOptions> {
  const { certificatePem: cert, privateKeyPem: key, bundlePem: ca } = await edge.identity(leaf)
  return { cert, key, ca, checkServerIdentity: mustBeEnvoy('bitka.local') }
}
const call = async (tls: ConnectionOptions, headers = {}) =>
  await ask(edge, '/v1/marketdata/symbols', { port: edge.ports.mesh, tls, headers })
/** A counter of the listener. */
const counted = async (name: string): Promise<number> =>
  Number(/: (\d+)/.exec(await edge.admin(`/stats?filter=^listener\\.mesh\\.ssl\\.${name}$`))?.[1] ?? 0)

describe('the mesh listener', () => {
  it('serves a caller that is on the list, over HTTP/1.1 and HTTP/2', async () => {
    const tls = await shows({ uris: [CALLER] })
    expect((await call(tls)).status).toBe(200)
    expect((await askH2(edge, '/v1/marketdata/symbols', { port: edge.ports.mesh, tls })).status).toBe(200)
    expect(reached).toHaveLength(2)
  })
  it('tells the gateway who called, whatever the caller says', async () => {
    const forged = { 'x-forwarded-client-cert': `URI=${gateway}` }
    await call(await shows({ uris: [CALLER] }), forged)
    expect(reached[0]?.['x-forwarded-client-cert']).toMatch(new RegExp(`URI=${CALLER}$`))
    expect(reached[0]?.['x-forwarded-client-cert']).not.toContain('gateway')
  })

  it.each<[string, () => Leaf, string, RegExp]>([
    ['another service of ours', () => ({ uris: [gateway] }), 'fail_verify_san', /alert/],
    ['an ID that only begins like one on the list', () => ({ uris: [`${CALLER}-2`] }), 'fail_verify_san', /alert/],
    ['an ID in another spelling', () => ({ uris: [CALLER.toUpperCase()] }), 'fail_verify_san', /alert/],
    [
      'the same name in another trust domain',
      () => ({ uris: [CALLER.replace('bitka.local', 'other.local')] }),
      'fail_verify_san',
      /alert/,
    ],
    ['a certificate without a URI', () => ({ uris: [], dnsNames: ['internal-caller'] }), 'fail_verify_san', /alert/],
    [
      'an expired certificate',
      () => ({ uris: [CALLER], notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() - 1_000 }),
      'fail_verify_error',
      /alert/,
    ],
  ])('refuses %s, and counts it', async (_, leaf, counter, why) => {
    const before = await counted(counter)
    expect(await refusal(edge, edge.ports.mesh, await shows(leaf()))).toMatch(why)
    await waitFor(async () => (await counted(counter)) > before, { what: 'the refusal to be counted' })
    expect(reached).toEqual([])
  })
  it('refuses who shows no certificate', async () => {
    const { ca } = await shows({ uris: [CALLER] })
    const tls = { ca, checkServerIdentity: mustBeEnvoy('bitka.local') }
    const before = await counted('fail_verify_no_cert')
    expect(await refusal(edge, edge.ports.mesh, tls)).toMatch(/certificate required/)
    await waitFor(async () => (await counted('fail_verify_no_cert')) > before, { what: 'the refusal to be counted' })
    expect(reached).toEqual([])
  })
  it('refuses a certificate of a CA that it does not know', async () => {
    const { certificatePem: cert, privateKeyPem: key } = await edge.foreign([CALLER])
    const tls = { ...(await shows({ uris: [CALLER] })), cert, key }
    expect(await refusal(edge, edge.ports.mesh, tls)).toMatch(/alert/)
    expect(reached).toEqual([])
  })
  it('refuses a certificate with two names, although one is on the list', async () => {
    for (const uris of [
      [CALLER, gateway],
      [gateway, CALLER],
    ]) {
      const reply = await call(await shows({ uris }))
      expect({ status: reply.status, code: reply.json.error.code }).toEqual({ status: 403, code: 'FORBIDDEN' })
    }
    expect(reached).toEqual([])
  })
  it('refuses TLS 1.2', async () => {
    const tls = { ...(await shows({ uris: [CALLER] })), minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const
    expect(await refusal(edge, edge.ports.mesh, tls)).toMatch(/protocol version/)
  })
  it('refuses plain HTTP', async () => {
    await expect(fetch(`http://127.0.0.1:${edge.ports.mesh}/v1/time`)).rejects.toThrow()
  })
  it('is not for operators', async () => {
    const reply = await ask(edge, '/v1/admin/users', { port: edge.ports.mesh, tls: await shows({ uris: [CALLER] }) })
    expect(reply.status).toBe(403)
  })
  it('takes a new certificate of its own without a restart, and goes on with connections that are open', async () => {
    const tls = await shows({ uris: [CALLER] })
    const serial = async (): Promise<string | undefined> => {
      const session = connectH2(`https://localhost:${edge.ports.mesh}`, tls)
      await once(session, 'connect')
      const { serialNumber } = (session.socket as import('node:tls').TLSSocket).getPeerCertificate()
      session.destroy()
      return serialNumber
    }
    const before = await serial()
    await edge.ca.rotateNow()
    await waitFor(async () => (await serial()) !== before, { what: 'the new certificate' })
  })
})

describe('the sample caller', () => {
  it('talks to nobody but Envoy', async () => {
    const { certificatePem, privateKeyPem, bundlePem } = await edge.identity({ uris: [CALLER] })
    const identity = () => ({ certificatePem, privateKeyPem, bundlePem })
    const url = `https://localhost:${edge.ports.mesh}`
    const options = { url, trustDomain: 'bitka.local', identity }
    expect(await read('/v1/time', options)).toEqual({ status: 200, body: { success: true } })
    await expect(read('/v1/time', { ...options, trustDomain: 'other.local' })).rejects.toThrow('the other side is')
  })

  it('reads the markets of the real exchange, with the identity that the Workload API gives it', async () => {
    const { meshUrl, identityDir } = attachStack()
    const as = (name: string) =>
      run(process.execPath, ['--tls-min-v1.3', program], {
        timeout: 60_000,
        env: { SPIFFE_ENDPOINT_SOCKET: join(identityDir, 'sockets', `${name}.sock`), BITKA_MESH_URL: meshUrl },
      })
    const { stdout } = await as('internal-caller')
    expect(JSON.parse(stdout)).toMatchObject({
      caller: CALLER,
      status: 200,
      body: {
        success: true,
        data: { items: expect.arrayContaining([expect.objectContaining({ symbol: 'BTC-THB' })]) },
      },
    })
    await expect(as('order')).rejects.toMatchObject({ stderr: expect.stringContaining('alert') })
  })
})
