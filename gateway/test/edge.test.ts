import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { connect } from 'node:net'
import { issueForeignSvid } from '@bitka/dev-ca'
import { DomainError } from '@bitka/kernel'
import { waitFor } from '@bitka/testkit'
import { token, World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await World.open()
})
afterAll(() => world.close())
beforeEach(() => {
  world.handlers.clear()
  world.on('GetTime', async () => ({ epochMs: 1n }))
})

const get = (port: number, path: string, headers: Record<string, string> = {}) =>
  fetch(`http://127.0.0.1:${port}${path}`, { headers })
const post = (port: number, path: string, body: object) =>
  fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

describe('rate limits', () => {
  it('say what is left, then 429 with when to come back', async () => {
    const { port } = await world.gateway({ BITKA_LIMIT_ANONYMOUS_PER_MINUTE: '2' })
    const first = await get(port, '/v1/time')
    expect(first.headers.get('ratelimit-policy')).toBe('"anonymous";q=2;w=60')
    expect(first.headers.get('ratelimit')).toMatch(/^"anonymous";r=1;t=\d+$/)
    // Unknown addresses and bad tokens are taken from the same budget.
    expect((await get(port, '/v1/nope')).status).toBe(404)
    const refused = await get(port, '/v1/time', { authorization: 'Bearer bad' })
    expect(refused.status).toBe(429)
    expect(await refused.json()).toMatchObject({
      success: false,
      error: { code: 'RATE_LIMITED', instance: '/v1/time' },
    })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    // Somebody who is signed in has a budget of their own, and health has none.
    expect((await get(port, '/v1/time', { authorization: `Bearer ${token()}` })).status).toBe(200)
    expect((await get(port, '/healthz')).status).toBe(200)
  })

  it('stop guessing at one account', async () => {
    const { port } = await world.gateway({ BITKA_LIMIT_SIGN_IN_PER_ACCOUNT: '2' })
    world.on('Login', async () => {
      throw new DomainError('unauthenticated', 'No.')
    })
    const login = async (identifier: string) =>
      (await post(port, '/v1/auth/login', { identifier, password: 'x' })).status
    expect([await login('alice'), await login('ALICE'), await login('alice'), await login('bob')]).toEqual([
      401, 401, 429, 401,
    ])
  })
})

/** Sends bytes as they are and answers all that comes back. */
const raw = (port: number, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    socket.on('data', (chunk) => {
      answer += String(chunk)
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })

describe('slow and broken clients', () => {
  it('get their time for head and body, and no more', async () => {
    const { port } = await world.gateway({ BITKA_HEADERS_TIMEOUT_MS: '200' })
    const { port: bodyPort } = await world.gateway({ BITKA_BODY_TIMEOUT_MS: '200' })
    const head = `POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n`
    expect(await raw(port, head)).toMatch(/^HTTP\/1\.1 408 .*"code":"INVALID_INPUT"/s)
    const answer = await raw(bodyPort, `${head}\r\n{"identifier":`)
    expect(answer).toMatch(/^HTTP\/1\.1 408 .*Connection: close.*"instance":"\/v1\/auth\/login"/s)
  })

  it('learn what is wrong with their request', async () => {
    const { port } = await world.gateway()
    expect(await raw(port, 'NONSENSE\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*"success":false/s)
    const large = `GET /v1/time HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`
    expect(await raw(port, large)).toMatch(/^HTTP\/1\.1 431 /)
  })

  it('do not keep a service busy with a read that nobody waits for', async () => {
    const { port } = await world.gateway()
    let cancelled = false
    world.on('GetMe', (_request, { signal }) => {
      signal.addEventListener('abort', () => {
        cancelled = true
      })
      return new Promise(() => {})
    })
    const controller = new AbortController()
    const headers = { authorization: `Bearer ${token()}` }
    const answer = fetch(`http://127.0.0.1:${port}/v1/users/me`, { headers, signal: controller.signal })
    await waitFor(() => world.calls.some(({ method }) => method === 'GetMe'))
    controller.abort()
    await expect(answer).rejects.toThrow()
    await waitFor(() => cancelled)
  })
})

describe('services that fail', () => {
  it('are 504 when they take too long', async () => {
    const { port } = await world.gateway({ BITKA_REQUEST_TIMEOUT_MS: '200' })
    world.on('GetTime', () => new Promise(() => {}))
    const answer = await get(port, '/v1/time')
    expect(answer.status).toBe(504)
    expect(await answer.json()).toMatchObject({ error: { code: 'DEADLINE_EXCEEDED' } })
  })

  it('are 503 with Retry-After when they are away, and readiness names them', async () => {
    const { port } = await world.gateway({ BITKA_REQUEST_TIMEOUT_MS: '500' })
    // The first question opens a connection to each service, which takes a busy machine longer than the check waits.
    await waitFor(async () => (await get(port, '/readyz')).status === 200)
    await world.stop('notification')
    const answer = await fetch(`http://127.0.0.1:${port}/v1/webhooks/mailgun`, { method: 'POST' })
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
    const missing = [{ name: 'notification', ok: false, detail: 'does not answer' }]
    await waitFor(async () => {
      const ready = await get(port, '/readyz')
      const { status, dependencies } = (await ready.json()) as { status: string; dependencies: { ok: boolean }[] }
      expect([ready.status, status, dependencies.filter(({ ok }) => !ok)]).toEqual([503, 'unavailable', missing])
      return true
    })
    await world.restart('notification')
    world.health.get('ledger')?.set(false)
    await waitFor(async () => (await (await get(port, '/readyz')).text()).includes('"takes no calls"'))
    world.health.get('ledger')?.set(true)
    await waitFor(async () => (await get(port, '/readyz')).status === 200)
  })
})

describe('sign-outs', () => {
  it('stop a token within seconds', async () => {
    const { port } = await world.gateway()
    const headers = { authorization: `Bearer ${token({ sessionId: 'ended' })}` }
    expect((await get(port, '/v1/time', headers)).status).toBe(200)
    world.revoked.add('ended')
    await waitFor(async () => (await get(port, '/v1/time', headers)).status === 401)
  })
})

describe('market data', () => {
  it('asks for a token when it is not public; the clock does not', async () => {
    const { port } = await world.gateway({ BITKA_PUBLIC_MARKETDATA: 'false' })
    world.on('ListSymbols', async () => ({}))
    const symbols = '/v1/marketdata/symbols'
    expect((await get(port, symbols)).status).toBe(401)
    expect((await get(port, symbols, { authorization: `Bearer ${token()}` })).status).toBe(200)
    expect((await get(port, '/v1/time')).status).toBe(200)
  })
})

describe('client addresses', () => {
  const forged = {
    'x-envoy-external-address': '203.0.113.9',
    'x-forwarded-for': '203.0.113.9',
    'x-real-ip': '203.0.113.9',
    forwarded: 'for=203.0.113.9',
    'x-client-address': '203.0.113.9',
    'x-forwarded-client-cert': 'URI=spiffe://bitka.local/ns/bitka/sa/envoy',
  }
  const overTls = (port: number, options: RequestOptions): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const req = httpsRequest({ port, host: '127.0.0.1', path: '/v1/time', rejectUnauthorized: false, ...options })
      req.on('response', (response) => resolve(response.resume()))
      req.on('error', reject)
      req.end()
    })
  const seen = () => world.last.ctx.clientAddress

  it('are the socket’s, whatever a header says', async () => {
    const { port } = await world.gateway()
    await get(port, '/v1/time', forged)
    expect(seen()).toBe('127.0.0.1')
  })

  it('are Envoy’s word when Envoy proves who it is, and nobody else’s', async () => {
    const own = await world.ca.issue({})
    const { port } = await world.gateway({ BITKA_TLS_CERT: own.certificatePem, BITKA_TLS_KEY: own.privateKeyPem })
    const as = async (...uris: string[]) => {
      const { certificatePem: cert, privateKeyPem: key } = await world.ca.issue({ uris })
      const answer = await overTls(port, { cert, key, headers: forged })
      expect(answer.headers['strict-transport-security']).toContain('max-age=')
      return seen()
    }
    const envoy = 'spiffe://bitka.local/ns/bitka/sa/envoy'
    expect(await as(envoy)).toBe('203.0.113.9')
    expect(await as('spiffe://bitka.local/ns/bitka/sa/order')).toBe('127.0.0.1')
    expect(await as('spiffe://other.local/ns/bitka/sa/envoy')).toBe('127.0.0.1')
    expect(await as(envoy, 'spiffe://bitka.local/ns/bitka/sa/order')).toBe('127.0.0.1')
    await overTls(port, { headers: forged })
    expect(seen()).toBe('127.0.0.1')
  })

  it('are for nobody but Envoy where the gateway shows its identity', async () => {
    const own = { BITKA_TLS_IDENTITY: 'yes', BITKA_GRPC_PORT: '0', BITKA_METRICS_PORT: '0' }
    const { port, metricsPort = 0 } = await world.gateway(own)
    const as = async (...uris: string[]) => {
      const { certificatePem: cert, privateKeyPem: key } = await world.ca.issue({ uris })
      return await overTls(port, { cert, key }).then(
        ({ statusCode }) => statusCode,
        () => 'no answer',
      )
    }
    expect(await as('spiffe://bitka.local/ns/bitka/sa/envoy')).toBe(200)
    expect(await as('spiffe://bitka.local/ns/bitka/sa/order')).toBe('no answer')
    expect(await as('spiffe://other.local/ns/bitka/sa/envoy')).toBe('no answer')
    await expect(overTls(port, {})).rejects.toThrow()
    const stranger = await issueForeignSvid('bitka.local', ['spiffe://bitka.local/ns/bitka/sa/envoy'])
    await expect(overTls(port, { cert: stranger.certificatePem, key: stranger.privateKeyPem })).rejects.toThrow()
    // And counted: two that are not Envoy, one without a certificate, one of a CA that nobody knows.
    const refused = async () => {
      const text = await (await get(metricsPort, '/metrics')).text()
      const lines = [...text.matchAll(/^bitka_mesh_refused_total\{reason="(\w+)"[^}]*\} ([1-9]\d*)$/gm)]
      return Object.fromEntries(lines.map(([, reason, count]) => [reason, Number(count)]))
    }
    const expected = { not_permitted: 2, no_certificate: 1, unknown_authority: 1 }
    await waitFor(async () => expect(await refused()).toEqual(expected) ?? true)
  })

  it('are no address at all: refused even from Envoy', async () => {
    const { port } = await world.gateway({ BITKA_TLS_IDENTITY: 'yes' })
    const uris = ['spiffe://bitka.local/ns/bitka/sa/envoy']
    const { certificatePem: cert, privateKeyPem: key } = await world.ca.issue({ uris })
    await overTls(port, { cert, key, headers: { 'x-envoy-external-address': "1.2.3.4' or 1=1" } })
    expect(seen()).toBe('127.0.0.1')
  })
})

describe('the end', () => {
  it('lets requests under way finish, and takes no new ones', async () => {
    const gateway = await world.gateway({ BITKA_DRAIN_MS: '60000' })
    let finish = (): void => {}
    world.on(
      'GetTime',
      () =>
        new Promise((resolve) => {
          finish = () => resolve({ epochMs: 7n })
        }),
    )
    const before = world.calls.length
    const answer = get(gateway.port, '/v1/time')
    await waitFor(() => world.calls.length > before)
    const stopped = gateway.stop()
    await waitFor(() =>
      get(gateway.port, '/healthz').then(
        () => false,
        () => true,
      ),
    )
    finish()
    expect(await (await answer).json()).toMatchObject({ data: { epoch_ms: 7 } })
    await stopped
  })
})

it('metrics have a port of their own', async () => {
  const gateway = await world.gateway({ BITKA_METRICS_PORT: '0' })
  await get(gateway.port, '/v1/time')
  expect((await get(gateway.port, '/metrics')).status).toBe(404)
  const text = await (await get(gateway.metricsPort ?? 0, '/metrics')).text()
  expect(text).toMatch(
    /http_requests_total\{route="bitka.market_data.v1.MarketDataService\/GetTime",verb="GET",status="200"/,
  )
})

it('a HEAD of a page that does not exist does not hang', async () => {
  const { port } = await world.gateway()
  const status = await new Promise((resolve, reject) => {
    const req = httpRequest({ port, host: '127.0.0.1', path: '/nope', method: 'HEAD' }, ({ statusCode }) =>
      resolve(statusCode),
    )
    req.on('error', reject)
    req.end()
  })
  expect(status).toBe(404)
})
