import { request as httpRequest } from 'node:http'
import { DomainError } from '@bitka/kernel'
import { CandleInterval } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { waitFor } from '@bitka/testkit'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { token, World } from './world.ts'

let world: World
let base: string

beforeAll(async () => {
  world = await World.open()
  const gateway = await world.gateway({ BITKA_RATE_LIMIT_SCALE: '0', BITKA_CORS_ORIGINS: 'https://app.example' })
  base = `http://127.0.0.1:${gateway.port}`
})
afterAll(() => world.close())
beforeEach(() => {
  world.calls.length = 0
  world.handlers.clear()
})

type Sent = { verb?: string; body?: unknown; token?: string; headers?: Record<string, string> }

async function send(path: string, { verb = 'GET', body, token, headers = {} }: Sent = {}) {
  const response = await fetch(`${base}${path}`, {
    method: verb,
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false
  return {
    status: response.status,
    headers: response.headers,
    json: isJson && text !== '' ? JSON.parse(text) : undefined,
    text,
  }
}

const order = { symbol: 'BTC-THB', side: 'buy', type: 'limit', price: '100', quantity: '1' }

describe('envelope', () => {
  it('holds data and the request id, which is also a header', async () => {
    world.on('CreateOrder', async () => ({ orderId: 'o1', status: 2, message: 'Accepted.' }))
    const requestId = '0190a6e8-7b2a-7cc0-8000-00000000abcd'
    const sent = { verb: 'POST', body: order, token: token(), headers: { 'x-request-id': requestId } }
    const answer = await send('/v1/orders', sent)
    expect(answer.status).toBe(201)
    expect(answer.json).toEqual({
      success: true,
      data: { order_id: 'o1', client_order_id: null, status: 'accepted', message: 'Accepted.' },
      meta: { request_id: requestId },
    })
    expect(answer.headers.get('x-request-id')).toBe(requestId)
    expect(world.last.ctx.requestId).toBe(requestId)
  })

  it('makes a request id of its own when the one sent is no UUID', async () => {
    const { headers, json } = await send('/v1/time', { headers: { 'x-request-id': 'mine' } })
    expect(json.meta.request_id).toMatch(/^[0-9a-f-]{36}$/)
    expect(headers.get('x-request-id')).toBe(json.meta.request_id)
  })

  it('wraps every refusal, with the path', async () => {
    expect((await send('/v1/nope?x=1')).json).toEqual({
      success: false,
      error: { code: 'NOT_FOUND', message: expect.any(String), instance: '/v1/nope' },
      meta: { request_id: expect.any(String) },
    })
  })

  it('is absent where the contract says so', async () => {
    world.on('GetJwks', async () => ({ keys: [{ kty: 'RSA', kid: 'k1' }] }))
    for (const path of ['/v1/.well-known/jwks.json', '/.well-known/jwks.json']) {
      const { json, headers } = await send(path)
      expect(json).toEqual({ keys: [{ kty: 'RSA', kid: 'k1' }] })
      expect(headers.get('cache-control')).toBe('public,max-age=300')
    }
  })

  it('has null for an empty answer, and a plain list where the contract names one', async () => {
    world.on('Logout', async () => ({}))
    world.on('ListAssets', async () => ({ assets: [{ symbol: 'BTC', decimals: 8, type: 1 }] }))
    expect((await send('/v1/auth/logout', { verb: 'POST', token: token() })).json.data).toBeNull()
    expect((await send('/v1/ledger/assets?active_only=true')).json.data).toEqual([
      { symbol: 'BTC', type: 'CRYPTO', decimals: 8, is_active: false },
    ])
  })
})

describe('errors', () => {
  it.each([
    ['invalid', 400, 'INVALID_INPUT'],
    ['unauthenticated', 401, 'UNAUTHORIZED'],
    ['forbidden', 403, 'FORBIDDEN'],
    ['not_found', 404, 'NOT_FOUND'],
    ['conflict', 409, 'CONFLICT'],
    ['insufficient_funds', 422, 'INSUFFICIENT_FUNDS'],
    ['rate_limited', 429, 'RATE_LIMITED'],
    ['deadline_exceeded', 504, 'DEADLINE_EXCEEDED'],
  ] as const)('%s is %d %s', async (kind, status, code) => {
    world.on('CreateOrder', async () => {
      throw new DomainError(kind, 'No.', { symbol: 'unknown market' })
    })
    const answer = await send('/v1/orders', { verb: 'POST', body: order, token: token() })
    expect(answer.status).toBe(status)
    expect(answer.json.error).toMatchObject({ code, message: 'No.', details: { symbol: 'unknown market' } })
  })

  it('say nothing about what broke inside', async () => {
    world.on('CreateOrder', async () => {
      throw new Error('relation "orders" does not exist at db.internal')
    })
    const answer = await send('/v1/orders', { verb: 'POST', body: order, token: token() })
    expect(answer.status).toBe(500)
    expect(answer.json.error).toEqual({
      code: 'INTERNAL_SERVER_ERROR',
      message: expect.any(String),
      instance: '/v1/orders',
      details: { error_id: expect.any(String) },
    })
    expect(answer.text).not.toContain('relation')
  })

  it('carry what a second factor needs', async () => {
    world.on('Login', async () => {
      throw new DomainError('mfa_required', 'A second factor is needed.', {
        mfa_token: 'm',
        methods: 'totp,recovery_code',
      })
    })
    const answer = await send('/v1/auth/login', { verb: 'POST', body: { identifier: 'a', password: 'b' } })
    expect(answer.status).toBe(401)
    expect(answer.json.error).toMatchObject({
      code: 'MFA_REQUIRED',
      details: { mfa_token: 'm', methods: ['totp', 'recovery_code'] },
    })
  })
})

describe('tokens', () => {
  it('reach the service, which sees the user', async () => {
    world.on('GetMe', async () => ({ profile: { id: 'u' } }))
    const answer = await send('/v1/users/me', { token: token({ userId: 'user-1' }) })
    expect(answer.json.data).toMatchObject({ id: 'u' })
    expect(world.last.ctx.user?.userId).toBe('user-1')
  })

  it('are asked for before the request is read', async () => {
    const answer = await send('/v1/orders', { verb: 'POST', body: 'not json' })
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="bitka"')
    expect(world.calls).toEqual([])
  })

  it.each([
    ['garbage', 'Bearer x.y.z'],
    ['another scheme', 'Basic YTpi'],
    ['nothing', 'Bearer '],
    ['expired', `Bearer ${token({ expiresInMs: -1000 })}`],
    ['a forged signature', `Bearer ${token().replace(/[^.]+$/, (signature) => 'A'.repeat(signature.length))}`],
  ])('that are bad (%s) are refused where none is needed, except to sign in', async (_name, authorization) => {
    world.on('GetTime', async () => ({ epochMs: 1n }))
    world.on('Login', async () => ({ accessToken: 'a', refreshToken: 'r' }))
    const headers = { authorization }
    expect((await send('/v1/time', { headers })).status).toBe(401)
    const body = { identifier: 'a', password: 'b' }
    expect((await send('/v1/auth/login', { verb: 'POST', body, headers })).status).toBe(200)
    expect(world.last.ctx.user).toBeUndefined()
  })
})

describe('idempotency', () => {
  const uuid = '0190a6e8-7b2a-7cc0-8000-00000000abcd'
  const transfer = { account_id: 'a', type: 'transfer', amount: '1', asset: 'BTC' }
  beforeEach(() => {
    world.on('CreateTransaction', async () => ({ transactionId: 't' }))
    world.on('CreateOrder', async () => ({ orderId: 'o' }))
    world.on('Logout', async () => ({}))
    world.on('ReceiveMailgunWebhook', async () => ({}))
  })
  const keyed = (path: string, body: unknown, key: string, signedIn = true) =>
    send(path, { verb: 'POST', body, token: signedIn ? token() : undefined, headers: { 'idempotency-key': key } })

  it('keys are UUIDs for the ledger, visible ASCII elsewhere', async () => {
    expect((await keyed('/v1/ledger/transactions', transfer, uuid)).status).toBe(201)
    expect(world.last.ctx.idempotencyKey).toBe(uuid)
    const refused = await keyed('/v1/ledger/transactions', transfer, 'mine')
    expect(refused.json.error).toMatchObject({
      code: 'INVALID_INPUT',
      details: { 'Idempotency-Key': 'must be a UUID' },
    })
    expect((await keyed('/v1/orders', order, '~mine!')).status).toBe(201)
    expect(world.last.ctx.idempotencyKey).toBe('~mine!')
    expect((await keyed('/v1/orders', order, 'two words')).status).toBe(400)
    expect((await keyed('/v1/orders', order, 'x'.repeat(65))).status).toBe(400)
  })

  it('keys are ignored to sign in and out, and for anonymous callers', async () => {
    expect((await keyed('/v1/auth/logout', {}, 'two words')).status).toBe(200)
    expect(world.last.ctx.idempotencyKey).toBeUndefined()
    expect((await keyed('/v1/webhooks/mailgun', {}, 'two words', false)).status).toBe(200)
    expect(world.last.ctx.idempotencyKey).toBeUndefined()
  })

  it('Prefer goes to the service', async () => {
    await send('/v1/orders', { verb: 'POST', body: order, token: token(), headers: { prefer: 'wait=2' } })
    expect(world.last.ctx.prefer).toBe('wait=2')
  })
})

it('an answer that was counted says so, also when it refuses', async () => {
  const { port } = await world.gateway({ BITKA_LIMIT_ANONYMOUS_PER_MINUTE: '9' })
  for (const headers of [{}, { authorization: 'Bearer bad' }]) {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/orders`, { headers })
    expect([answer.status, answer.headers.get('ratelimit-policy')]).toEqual([401, '"anonymous";q=9;w=60'])
    expect(answer.headers.get('ratelimit')).toMatch(/^"anonymous";r=[78];t=\d+$/)
  }
})

describe('methods', () => {
  it('HEAD is GET without its body', async () => {
    world.on('GetTime', async () => ({ epochMs: 1n }))
    const get = await send('/v1/time')
    const head = await send('/v1/time', { verb: 'HEAD' })
    expect([head.status, head.text, head.headers.get('content-length')]).toEqual([200, '', String(get.text.length)])
  })

  it('others are 405 with Allow', async () => {
    const answer = await send('/v1/orders', { verb: 'PUT', body: {}, token: token() })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS, POST'])
    expect(answer.json.error.code).toBe('METHOD_NOT_ALLOWED')
    expect((await send('/healthz', { verb: 'POST' })).status).toBe(405)
  })

  it('operations go to the service that the path names', async () => {
    world.on('GetServiceHealth', async () => ({ health: { service: 'x', ready: true } }))
    const answer = await send('/v1/admin/services/market-data/health', { token: token() })
    expect(answer.json.data).toEqual({ service: 'x', ready: true, dependencies: [] })
    expect(world.last.service).toBe('market-data')
    expect((await send('/v1/admin/services/gateway/health', { token: token() })).status).toBe(404)
  })
})

describe('CORS', () => {
  const preflight = (origin: string, path = '/v1/orders') =>
    send(path, { verb: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } })

  it('lets pages of the list in', async () => {
    const { status, headers } = await preflight('https://app.example')
    expect(status).toBe(204)
    expect(headers.get('access-control-allow-origin')).toBe('https://app.example')
    expect(headers.get('access-control-allow-methods')).toBe('GET, HEAD, OPTIONS, POST')
    expect(headers.get('access-control-allow-headers')).toContain('idempotency-key')
    expect(headers.get('vary')).toBe('Origin')
    expect(headers.get('access-control-allow-credentials')).toBeNull()
  })

  it('lets no other in', async () => {
    for (const origin of ['https://evil.example', 'https://app.example.evil.example', 'null']) {
      expect((await preflight(origin)).headers.get('access-control-allow-origin')).toBeNull()
    }
    expect((await preflight('https://app.example', '/v1/nope')).status).toBe(404)
  })

  it('covers the typed dialect', async () => {
    const { headers } = await preflight('https://app.example', '/bitka.order.v1.OrderService/CreateOrder')
    expect(headers.get('access-control-allow-methods')).toBe('OPTIONS, POST')
    expect(headers.get('access-control-allow-headers')).toContain('connect-protocol-version')
  })
})

it('every answer has the security headers', async () => {
  for (const path of ['/v1/time', '/v1/nope', '/healthz']) {
    const { headers } = await send(path)
    expect(Object.fromEntries(headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
      'x-bitka-profile': 'demo',
    })
    // Only where there is TLS: a browser would refuse plain HTTP on this host from then on.
    expect(headers.get('strict-transport-security')).toBeNull()
    expect(headers.get('x-powered-by')).toBeNull()
  }
})

describe('candles', () => {
  const minute = 60_000
  const candle = (startMs: number) => ({
    startTime: timestampFromMs(startMs),
    endTime: timestampFromMs(startMs + minute),
  })
  const cacheControl = async (end: string, startMs: number) => {
    world.on('ListCandles', async () => ({
      symbol: 'BTC-THB',
      interval: CandleInterval.ONE_MINUTE,
      items: [candle(startMs)],
    }))
    const answer = await send(`/v1/marketdata/candles?symbol=BTC-THB&interval=1m${end}`)
    expect(answer.json.data.items[0]).toMatchObject({ end_time: expect.any(String) })
    return answer.headers.get('cache-control')
  }

  it('are kept when all are closed and the question names its end', async () => {
    const hourAgo = Date.now() - 60 * minute
    const end = `&end=${new Date(hourAgo + minute).toISOString()}`
    expect(await cacheControl(end, hourAgo)).toBe('public, max-age=86400')
    expect(await cacheControl('', hourAgo)).toBe('no-store')
    expect(await cacheControl(`&end=${new Date(Date.now() + minute).toISOString()}`, Date.now())).toBe('no-store')
  })

  it('are kept by nobody but who asked where they need a token', async () => {
    const { port } = await world.gateway({ BITKA_RATE_LIMIT_SCALE: '0', BITKA_PUBLIC_MARKETDATA: 'false' })
    const hourAgo = Date.now() - 60 * minute
    world.on('ListCandles', async () => ({ symbol: 'BTC-THB', items: [candle(hourAgo)] }))
    const path = `/v1/marketdata/candles?symbol=BTC-THB&interval=1m&end=${new Date(hourAgo + minute).toISOString()}`
    const headers = { authorization: `Bearer ${token()}` }
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers })
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'private, max-age=86400'])
  })
})

describe('bodies', () => {
  const post = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
    fetch(`${base}/v1/orders`, { method: 'POST', body, headers: { authorization: `Bearer ${token()}`, ...headers } })
  const json = { 'content-type': 'application/json' }

  it('are 413 above 64 KiB, announced or not', async () => {
    const large = `{"symbol":"${'x'.repeat(70_000)}"}`
    expect((await post(large, json)).status).toBe(413)
    // Far above: the answer still arrives, and not a reset of the connection.
    expect((await post('x'.repeat(3_000_000), json)).status).toBe(413)
    const status = await new Promise<number>((resolve, reject) => {
      const req = httpRequest(`${base}/v1/orders`, {
        method: 'POST',
        headers: { ...json, authorization: `Bearer ${token()}`, 'transfer-encoding': 'chunked' },
      })
      req.on('response', (response) => resolve(response.statusCode ?? 0))
      req.on('error', reject)
      for (let index = 0; index < 9; index += 1) req.write('x'.repeat(8_000))
      req.end()
    })
    expect(status).toBe(413)
  })

  it('that are refused unread leave the connection in order', async () => {
    const statuses: number[] = []
    for (let index = 0; index < 3; index += 1) {
      const body = 'x'.repeat(200_000)
      const response = await fetch(`${base}/v1/orders`, { method: 'POST', body, headers: json })
      statuses.push(response.status)
      await response.text()
    }
    expect(statuses).toEqual([401, 401, 401])
  })

  it('have to be JSON by name and in fact', async () => {
    world.on('CreateOrder', async () => ({}))
    const text = JSON.stringify(order)
    expect((await post(text, { 'content-type': 'text/plain' })).status).toBe(400)
    expect((await post(text, { 'content-type': 'application/json; charset=latin1' })).status).toBe(400)
    expect((await post(text, { ...json, 'content-encoding': 'gzip' })).status).toBe(400)
    expect((await post(text, { 'content-type': 'application/json; charset=UTF-8' })).status).toBe(201)
    expect((await post('{"symbol":1,"symbol":2}', json)).status).toBe(400)
    const answer = await send('/v1/orders', { verb: 'POST', body: { symbol: 1, nope: {} }, token: token() })
    expect(answer.json.error.details).toEqual({
      symbol: 'must be a string',
      nope: 'unknown field',
      side: 'is required',
      type: 'is required',
      quantity: 'is required',
    })
  })
})

describe('own addresses', () => {
  it('healthz answers, readyz asks every service', async () => {
    expect((await send('/healthz')).json).toEqual({ status: 'ok' })
    // A busy machine may take longer for the first connections than the check waits.
    const ready = await waitFor(async () => {
      const answer = await send('/readyz')
      return answer.status === 200 && answer
    })
    expect(ready.json.dependencies.map(({ ok }: { ok: boolean }) => ok)).toEqual(Array(8).fill(true))
  })

  it('openapi.json is served, and /docs shows it under a strict policy', async () => {
    expect((await send('/openapi.json')).json.openapi).toBe('3.1.0')
    const page = await send('/docs')
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'")
    expect(page.headers.get('content-security-policy')).not.toContain('unsafe')
    expect(page.text).not.toMatch(/<script>|style=|onload/)
    for (const [, path = ''] of page.text.matchAll(/(?:src|href)="([^"]+)"/g))
      expect((await send(path)).status).toBe(200)
    expect((await send('/docs/../package.json')).status).toBe(404)
    expect((await send('/docs/package.json')).status).toBe(404)
  })

  it('the stream is for WebSockets only', async () => {
    expect((await send('/v1/marketdata/stream')).status).toBe(400)
  })
})
