import { startTestEdge, type TestEdge } from '@bitka/deploy/envoy'
import { type Ask, ask, askH2, envoyBinary, type Reply, talk } from '../edge/http.ts'

const uuid = expect.stringMatching(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)

let edge: TestEdge
/** The last request as the gateway saw it. */
let seen: Record<string, string | string[] | undefined>
beforeAll(async () => {
  edge = await startTestEdge({ binary: await envoyBinary() })
  edge.upstream.http = (req, res) => {
    seen = req.headers
    req.resume()
    res.end('{}')
  }
}, 120_000)
afterAll(() => edge?.stop())

const ways = [
  ['HTTP/1.1', ask],
  ['HTTP/2', askH2],
] as const

/** The whole of a refusal in the words of the contract. */
function expectEnvelope(reply: Reply, status: number, code: string, instance: string): void {
  expect({ status: reply.status, body: reply.json }).toEqual({
    status,
    body: {
      success: false,
      error: { code, message: expect.stringMatching(/^[A-Z].*\.$/), instance },
      meta: { request_id: uuid },
    },
  })
  expect(reply.headers['content-type']).toBe('application/json; charset=utf-8')
  expect(reply.headers['x-request-id']).toBe(reply.json.meta.request_id)
}

describe('the request id', () => {
  const id = '0190b2a4-7c11-7b3e-9f00-0123456789ab'
  it.each(ways)('is kept when it is a UUID, over %s', async (_, way) => {
    const headers = { 'x-request-id': id }
    await way(edge, '/v1/time', { headers })
    expect(seen['x-request-id']).toBe(id)
    expect((await way(edge, '/v1/admin/users', { headers })).json.meta.request_id).toBe(id)
  })
  it.each(['not-a-uuid', `${id}x`, `{${id}}`, id.replaceAll('-', ''), "'; drop table users; --", 'x'.repeat(4_000)])(
    'is replaced when it is %p',
    async (wrong) => {
      await ask(edge, '/v1/time', { headers: { 'x-request-id': wrong } })
      expect(seen['x-request-id']).toEqual(uuid)
      const refused = await ask(edge, '/v1/admin/users', { headers: { 'x-request-id': wrong } })
      expect(refused.json.meta.request_id).toEqual(uuid)
      expect(refused.headers['x-request-id']).toEqual(uuid)
    },
  )
  it('is replaced when there are two', async () => {
    await ask(edge, '/v1/time', { headers: { 'x-request-id': [id, id] } })
    expect(seen['x-request-id']).toEqual(uuid)
  })
  it('is made when there is none', async () => {
    await ask(edge, '/v1/time')
    expect(seen['x-request-id']).toEqual(uuid)
  })
})

describe('what a client says of itself', () => {
  const forged: NonNullable<Ask['headers']> = {
    'x-forwarded-for': '203.0.113.7',
    forwarded: 'for=203.0.113.7',
    'x-real-ip': '203.0.113.7',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'http',
    'x-forwarded-client-cert': 'By=x;URI=spiffe://bitka.local/ns/bitka/sa/order',
    'x-envoy-external-address': '203.0.113.7',
    'x-envoy-internal': 'true',
    'x-envoy-original-path': '/v1/admin/users',
    'x-envoy-upstream-rq-timeout-ms': '1',
    'x-envoy-retry-on': '5xx',
    'x-envoy-max-retries': '50',
    'x-envoy-decorator-operation': 'x',
    'x-envoy-expected-rq-timeout-ms': '1',
    'x-envoy-force-trace': 'true',
    'x-envoy-hedge-on-per-try-timeout': 'true',
    'x-envoy-ip-tags': 'x',
    'x-envoy-attempt-count': '9',
  }
  // Without X-Forwarded-For Envoy might take a private address for a machine of ours.
  const { 'x-forwarded-for': _, ...others } = forged
  it.each(ways)('of its address does not reach the gateway, over %s', async (_, way) => {
    for (const headers of [forged, others]) {
      await way(edge, '/v1/time', { headers })
      const told = Object.entries(seen).filter(([name]) => name.startsWith('x-envoy') || name in forged)
      expect(Object.fromEntries(told)).toEqual({
        'x-envoy-external-address': '127.0.0.1',
        'x-forwarded-proto': 'https',
      })
    }
  })
  it('does not shorten a deadline or repeat a call', async () => {
    let calls = 0
    edge.upstream.http = (req, res) => {
      calls += 1
      setTimeout(() => res.writeHead(503).end('{}'), 50)
      req.resume()
    }
    for (const headers of [forged, others]) {
      calls = 0
      expect((await ask(edge, '/v1/time', { headers })).status).toBe(503)
      expect(calls).toBe(1)
    }
  })
})

describe("Envoy's own answers", () => {
  /** Bytes that no client library would send. */
  async function raw(text: string): Promise<Reply> {
    const { socket, said, ended } = await talk(edge)
    socket.write(text)
    await ended
    socket.destroy()
    const [head = '', body = ''] = said().split('\r\n\r\n')
    const [first = '', ...lines] = head.split('\r\n')
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
    )
    return {
      status: Number(first.split(' ')[1]),
      headers,
      text: body,
      json: body === '' ? undefined : JSON.parse(body),
    }
  }

  it.each([
    ['a request without a host', 'GET /v1/time HTTP/1.1\r\n\r\n'],
    ['a space in the path', 'GET /v1/ti me HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['what is not HTTP', 'EHLO localhost\r\n\r\n'],
    ['a length that is no number', 'POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: ten\r\n\r\n'],
    [
      'two lengths',
      'POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a NUL in a header', 'GET /v1/time HTTP/1.1\r\nHost: localhost\r\nX-A: a\u0000b\r\n\r\n'],
  ])('say 400 to %s', async (_, text) => {
    const reply = await raw(text)
    expectEnvelope(reply, 400, 'INVALID_INPUT', '')
  })
  it('say 400 to HTTP/1.0', async () => {
    const reply = await raw('GET /v1/time HTTP/1.0\r\nHost: localhost\r\n\r\n')
    expectEnvelope(reply, 400, 'INVALID_INPUT', '')
  })
  it('say 403 where nobody may go', async () => {
    for (const [, way] of ways)
      expectEnvelope(await way(edge, '/v1/admin/users?token=x'), 403, 'FORBIDDEN', '/v1/admin/users')
  })
  it('speak gRPC with who speaks it', async () => {
    const headers = { 'content-type': 'application/grpc', te: 'trailers' }
    const reply = await askH2(edge, '/bitka.order.v1.OrderService/HaltMarket', {
      method: 'POST',
      headers,
      body: Buffer.alloc(5),
    })
    expect({ status: reply.status, grpc: reply.headers['grpc-status'] }).toEqual({ status: 200, grpc: '7' })
  })

  describe('with the gateway down', () => {
    let alone: TestEdge
    beforeAll(async () => {
      alone = await startTestEdge({ binary: await envoyBinary() })
      await alone.stopUpstream()
    }, 120_000)
    afterAll(() => alone?.stop())
    it.each(ways)('say 503, and when to try again, over %s', async (_, way) => {
      const reply = await way(alone, '/v1/time')
      expectEnvelope(reply, 503, 'UNAVAILABLE', '/v1/time')
      expect(reply.headers['retry-after']).toBe('1')
      expect(reply.headers['strict-transport-security']).toMatch(/^max-age=31536000/)
    })
    it('say 503 to a WebSocket', async () => {
      const headers = {
        connection: 'upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'x',
      }
      expectEnvelope(
        await ask(alone, '/v1/marketdata/stream', { headers }),
        503,
        'UNAVAILABLE',
        '/v1/marketdata/stream',
      )
    })
    it('say UNAVAILABLE in gRPC', async () => {
      const headers = { 'content-type': 'application/grpc', te: 'trailers' }
      const reply = await askH2(alone, '/bitka.market_data.v1.MarketDataService/ListSymbols', {
        method: 'POST',
        headers,
        body: Buffer.alloc(5),
      })
      expect({ status: reply.status, grpc: reply.headers['grpc-status'] }).toEqual({ status: 200, grpc: '14' })
    })
  })
  it('turn a connection that breaks in the middle into 503', async () => {
    edge.upstream.http = (req) => req.socket.destroy()
    expectEnvelope(await ask(edge, '/v1/orders', { method: 'POST', body: '{}' }), 503, 'UNAVAILABLE', '/v1/orders')
  })
})
