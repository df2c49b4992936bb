import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { connect as connectH2 } from 'node:http2'
import { connect } from 'node:net'
import { join } from 'node:path'
import { startTestEdge, type TestEdge } from '@bitka/deploy/envoy'
import { waitFor } from '@bitka/testkit'
import { ask, askH2, envoyBinary, refusal, talk } from '../edge/http.ts'

let edge: TestEdge
beforeAll(async () => {
  edge = await startTestEdge({ binary: await envoyBinary() })
}, 120_000)
afterAll(() => edge?.stop())

describe('TLS to people', () => {
  it('is 1.3', async () => {
    const { socket } = await talk(edge)
    expect(socket.getProtocol()).toBe('TLSv1.3')
    socket.destroy()
  })
  it.each(['TLSv1.2', 'TLSv1.1'] as const)('is not %s', async (version) => {
    const options = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }
    for (const port of [edge.ports.public, edge.ports.admin])
      expect(await refusal(edge, port, options)).toMatch(/protocol version/)
  })
  it('shows the certificate of the one name', async () => {
    const { socket } = await talk(edge)
    expect(socket.getPeerCertificate().subjectaltname).toContain('DNS:localhost')
    socket.destroy()
  })
  it('asks nobody for a certificate', async () => {
    expect((await ask(edge, '/v1/time')).status).toBe(200)
  })
  it('speaks HTTP/2 with who offers it, and HTTP/1.1 with the rest', async () => {
    for (const [offered, agreed] of [
      [['h2', 'http/1.1'], 'h2'],
      [['http/1.1'], 'http/1.1'],
      [[], false],
    ] as const) {
      const { socket } = await talk(edge, { ALPNProtocols: [...offered] })
      expect(socket.alpnProtocol).toBe(agreed)
      socket.destroy()
    }
    expect((await ask(edge, '/v1/time')).status).toBe(200)
    expect((await askH2(edge, '/v1/time')).status).toBe(200)
  })
})

describe('headers of safety', () => {
  const expected = {
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'content-security-policy': expect.stringContaining("default-src 'none'"),
    'cross-origin-resource-policy': 'same-site',
    'cache-control': 'no-store',
  }
  it("are on Envoy's own answers, over HTTP/1.1 and HTTP/2", async () => {
    for (const reply of [await ask(edge, '/v1/admin/users'), await askH2(edge, '/v1/admin/users')]) {
      expect(reply.status).toBe(403)
      expect(reply.headers).toMatchObject(expected)
      expect(reply.headers).not.toHaveProperty('server', 'envoy')
    }
  })
  it("leave the gateway's own as they are", async () => {
    edge.upstream.http = (_, res) => res.setHeader('Content-Security-Policy', "default-src 'self'").end()
    const { headers } = await ask(edge, '/docs')
    expect(headers['content-security-policy']).toBe("default-src 'self'")
    expect(Object.keys(headers).filter((name) => name.startsWith('x-envoy') || name === 'server')).toEqual([])
  })
})

describe('the plain port', () => {
  const plain = (path: string, headers: Record<string, string> = {}): Promise<{ status?: number; location?: string }> =>
    new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port: edge.ports.plain, path, headers }, (res) => {
        res.resume()
        resolve({ status: res.statusCode, location: res.headers.location })
      }).once('error', reject)
    })
  it('sends every address to the same one over TLS', async () => {
    for (const path of ['/', '/v1/orders?symbol=BTC-THB&page=2', '/v1/admin/users'])
      expect(await plain(path)).toEqual({ status: 308, location: `https://localhost:${edge.ports.public}${path}` })
  })
  it('sends nobody to another host', async () => {
    const sent = await plain('/v1/time', { Host: 'evil.example', 'X-Forwarded-Host': 'evil.example' })
    expect(sent).toEqual({ status: 308, location: `https://localhost:${edge.ports.public}/v1/time` })
    const odd = await plain('//evil.example/x')
    expect(odd.location).toBe(`https://localhost:${edge.ports.public}//evil.example/x`)
  })
})

describe('the port of probes and metrics', () => {
  const said = (line: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(edge.ports.metrics, '127.0.0.1', () => socket.write(`${line}\r\nHost: x\r\n\r\n`))
      socket.once('data', (data) => {
        resolve(String(data).split('\r\n')[0] ?? '')
        socket.destroy()
      })
      socket.once('error', reject)
    })
  it('answers probes, also in HTTP/1.0', async () => {
    expect(await said('GET /livez HTTP/1.1')).toBe('HTTP/1.1 200 OK')
    expect(await said('GET /readyz HTTP/1.1')).toBe('HTTP/1.1 200 OK')
    expect(await said('GET /readyz HTTP/1.0')).toMatch(/^HTTP\/1\.[01] 200 OK$/)
  })
  it("gives away nothing else of Envoy's administration, and changes nothing", async () => {
    for (const path of ['/config_dump', '/certs', '/stats', '/', '/quitquitquit', '/readyz/../certs', '/ready'])
      expect(await said(`GET ${path} HTTP/1.1`)).toBe('HTTP/1.1 404 Not Found')
    expect(await said('POST /metrics HTTP/1.1')).toBe('HTTP/1.1 404 Not Found')
  })
})

describe('the certificate of the public name', () => {
  const seconds = async (): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${edge.ports.metrics}/metrics`)).text()
    // What the alert of docs/operations/edge.md reads.
    const [, value] =
      /^envoy_listener_ssl_certificate_expiration_unix_time_seconds\{envoy_tls_certificate="public",envoy_listener_address="public"\} (\d+)$/m.exec(
        text,
      ) ?? []
    return Number(value)
  }
  const serial = async (): Promise<string> => {
    const { socket } = await talk(edge)
    const { serialNumber } = socket.getPeerCertificate()
    socket.destroy()
    return serialNumber
  }

  it('is renewed without a dropped connection', async () => {
    edge.upstream.http = (_, res) => res.end('{}')
    const session = connectH2(edge.url, { ca: edge.roots })
    const asked = async (): Promise<number> => {
      const stream = session.request({ ':path': '/v1/time' })
      const [head] = await once(stream, 'response')
      stream.resume()
      return Number(head[':status'])
    }
    let closed = false
    session.once('close', () => (closed = true))
    expect(await asked()).toBe(200)
    const before = await serial()
    await edge.publicCa.rotateNow()
    await waitFor(async () => (await serial()) !== before, { what: 'the new certificate' })
    expect(await asked()).toBe(200)
    expect(closed).toBe(false)
    session.destroy()
  })

  it('may be moved into its place file by file, key first: a pair that does not fit is passed over', async () => {
    const before = await serial()
    const rejected = async (): Promise<number> =>
      Number(/: (\d+)/.exec(await edge.admin('/stats?filter=^sds\\.public\\.key_rotation_failed$'))?.[1])
    const pem = await edge.publicCa.issue({ dnsNames: ['localhost'] })
    const move = async (name: string, content: string): Promise<void> => {
      await writeFile(join(edge.publicDir, `${name}.next`), content, { mode: 0o600 })
      await rename(join(edge.publicDir, `${name}.next`), join(edge.publicDir, name))
    }
    const rejectedBefore = await rejected()
    await move('key.pem', pem.privateKeyPem)
    await waitFor(async () => (await rejected()) > rejectedBefore, { what: 'the key alone to be refused' })
    expect(await serial()).toBe(before)
    await move('svid.pem', pem.certificatePem)
    await waitFor(async () => (await serial()) !== before, { what: 'the new certificate' })
  })

  it('tells when it ends', async () => {
    const { socket } = await talk(edge)
    const end = Date.parse(socket.getPeerCertificate().valid_to) / 1000
    socket.destroy()
    await waitFor(async () => (await seconds()) === end, { what: 'the metric to be of this certificate' })
  })
})
