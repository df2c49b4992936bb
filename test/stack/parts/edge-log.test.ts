import { startTestEdge, type TestEdge } from '@bitka/deploy/envoy'
import { waitFor } from '@bitka/testkit'
import { ask, askH2, envoyBinary } from '../edge/http.ts'

let edge: TestEdge
beforeAll(async () => {
  edge = await startTestEdge({ binary: await envoyBinary() })
  edge.upstream.http = (req, res) => {
    req.resume()
    res.writeHead(201, { 'X-Request-Id': String(req.headers['x-request-id']), 'Set-Cookie': 'session=secret-answer' })
    res.end('{"access_token":"secret-answer"}')
  }
}, 120_000)
afterAll(() => edge?.stop())

const id = '0190b2a4-7c11-7b3e-9f00-0123456789ab'
/** The line of a request, once it is written. */
const line = (requestId: string): Promise<Record<string, unknown>> =>
  waitFor(() => edge.accessLog().find(({ request_id }) => request_id === requestId), {
    what: 'the line of the request',
  })

describe('the access log', () => {
  it('has a line for every request, with its id, its trace and what came of it', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    await ask(edge, '/v1/orders?symbol=BTC-THB', {
      method: 'POST',
      body: '{}',
      headers: { 'x-request-id': id, traceparent },
    })
    expect(await line(id)).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      listener: 'public',
      method: 'POST',
      path: '/v1/orders',
      protocol: 'HTTP/1.1',
      status: 201,
      flags: '-',
      detail: 'via_upstream',
      bytes_in: 2,
      bytes_out: expect.any(Number),
      duration_ms: expect.any(Number),
      client_address: '127.0.0.1',
      peer: null,
      request_id: id,
      trace_parent: traceparent,
      upstream: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    })
  })
  it("has a line for Envoy's own refusals, with the id that was answered", async () => {
    const { json } = await ask(edge, '/v1/admin/users')
    expect(await line(json.meta.request_id)).toMatchObject({ status: 403, path: '/v1/admin/users', upstream: null })
    const broken = await ask(edge, '/v1/time', { headers: { 'x-large': 'x'.repeat(17_000) } })
    expect(await line(broken.json.meta.request_id)).toMatchObject({ status: 431 })
  })
  it('says who the caller of the mesh was', async () => {
    const {
      certificatePem: cert,
      privateKeyPem: key,
      bundlePem: ca,
    } = await edge.identity({
      uris: ['spiffe://bitka.local/ns/bitka/sa/internal-caller'],
    })
    const requestId = '0190b2a4-7c11-7b3e-9f00-0123456789ac'
    const tls = { cert, key, ca, checkServerIdentity: () => undefined }
    await ask(edge, '/v1/time', { port: edge.ports.mesh, tls, headers: { 'x-request-id': requestId } })
    expect(await line(requestId)).toMatchObject({
      listener: 'mesh',
      peer: 'spiffe://bitka.local/ns/bitka/sa/internal-caller',
    })
  })

  it('has no secret in it, whoever answers', async () => {
    const secret = 'secret-of-somebody'
    const ask1 = {
      method: 'POST',
      body: JSON.stringify({ password: secret, refresh_token: secret, code: secret }),
      headers: {
        authorization: `Bearer ${secret}`,
        cookie: `session=${secret}`,
        'idempotency-key': secret,
        'x-api-key': secret,
        'x-signature': secret,
        referer: `https://localhost/?token=${secret}`,
        'user-agent': secret,
        'x-request-id': secret,
        'x-forwarded-for': secret,
        origin: `https://${secret}.example`,
      },
    }
    const paths = [
      `/v1/auth/login?token=${secret}`,
      `/v1/admin/users?token=${secret}`,
      `/v1/orders?q=${secret}#${secret}`,
    ]
    for (const path of paths) {
      await ask(edge, path.replace(/#.*/, ''), ask1)
      await askH2(edge, path.replace(/#.*/, ''), ask1)
    }
    await ask(edge, `/v1/time?token=${secret}`, { headers: { 'x-large': secret.repeat(1_000) } })
    // What was asked last is written last.
    await ask(edge, '/v1/time', { headers: { 'x-request-id': '0190b2a4-7c11-7b3e-9f00-0123456789ad' } })
    await line('0190b2a4-7c11-7b3e-9f00-0123456789ad')
    expect(edge.output()).not.toContain('secret')
  })
  it('says nothing of a refusal that the refused one could not know', async () => {
    const { text, headers } = await ask(edge, '/v1/admin/users?token=hidden')
    expect(text).not.toContain('hidden')
    expect(JSON.stringify(headers)).not.toMatch(/127\.0\.0\.1|envoy|gateway/)
  })
})
