import { randomUUID } from 'node:crypto'
import { waitFor } from '@bitka/testkit'
import { TestExchange } from './exchange.ts'
import { call, essence, refusal, success, time, uuid } from './rest.ts'

let exchange: TestExchange
beforeAll(async () => {
  exchange = await TestExchange.start()
}, 120_000)
afterAll(() => exchange?.stop())

const get = (path: string, headers?: Record<string, string>) => call(exchange.url, 'GET', path, { headers })

describe('health', () => {
  it('GET /healthz: the process lives', async () => {
    expect(essence(await get('/healthz'))).toEqual({ status: 200, body: { status: 'ok' } })
  })

  it('GET /readyz names every dependency', async () => {
    const names = ['auth', 'user', 'ledger', 'order', 'matching', 'market-data', 'notification', 'audit']
    const dependencies = names.map((name) => ({ name, ok: true, detail: '' }))
    // A busy machine may take longer for the first connections than the check waits.
    await waitFor(async () => {
      expect(essence(await get('/readyz'))).toEqual({ status: 200, body: { status: 'ready', dependencies } })
      return true
    })
  })

  it('GET /metrics is not public', async () => {
    expect(essence(await get('/metrics'))).toEqual(refusal('NOT_FOUND', '/metrics'))
  })

  it('GET /v1/time is the clock of the exchange', async () => {
    const { status, body } = await get('/v1/time')
    expect({ status, body }).toEqual(success({ time, epoch_ms: expect.any(Number) }))
    expect(Date.parse(body.data.time)).toBe(body.data.epoch_ms)
    expect(Math.abs(body.data.epoch_ms - Date.now())).toBeLessThan(5_000)
  })
})

describe('every answer', () => {
  it('carries its request id, the caller’s own where it is a UUID', async () => {
    const id = randomUUID()
    const own = await get('/v1/time', { 'x-request-id': id })
    expect([own.headers.get('x-request-id'), own.body.meta.request_id]).toEqual([id, id])
    const made = await get('/v1/nothing', { 'x-request-id': 'not a uuid' })
    expect(made.body.meta.request_id).toEqual(uuid)
    expect(made.headers.get('x-request-id')).toBe(made.body.meta.request_id)
  })

  it('says that this is the demo', async () => {
    expect((await get('/healthz')).headers.get('x-bitka-profile')).toBe('demo')
  })

  it('has the headers that keep browsers safe', async () => {
    const { headers } = await get('/v1/time')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('x-powered-by')).toBeNull()
  })
})

describe('what no route takes', () => {
  it('is 404 for an unknown address', async () => {
    for (const path of ['/', '/v1', '/v1/nothing', '/v1/orders/', '/V1/orders']) {
      expect(essence(await get(path))).toEqual(refusal('NOT_FOUND', path))
    }
  })

  it('is 405 with Allow for another method', async () => {
    const answer = await call(exchange.url, 'DELETE', '/v1/auth/login')
    expect(essence(answer)).toEqual(refusal('METHOD_NOT_ALLOWED', '/v1/auth/login'))
    expect(answer.headers.get('allow')).toContain('POST')
  })

  it('is 413 for a body above 64 KiB', async () => {
    const body = { identifier: 'x'.repeat(70_000), password: 'y' }
    const answer = await call(exchange.url, 'POST', '/v1/auth/login', { body })
    expect(essence(answer)).toEqual(refusal('PAYLOAD_TOO_LARGE', '/v1/auth/login'))
  })

  it('is 400 for a parameter that nobody knows', async () => {
    const path = '/v1/marketdata/symbols'
    expect(essence(await get(`${path}?colour=blue`))).toEqual(refusal('INVALID_INPUT', path, ['colour']))
  })
})

describe('the description of the API', () => {
  it('GET /openapi.json has every route', async () => {
    const { status, body } = await get('/openapi.json')
    expect(status).toBe(200)
    expect(body.openapi).toMatch(/^3\.1/)
    expect(Object.keys(body.paths)).toEqual(
      expect.arrayContaining(['/v1/auth/login', '/v1/orders', '/v1/orders/{order_id}', '/v1/marketdata/candles']),
    )
  })

  it('GET /docs shows it', async () => {
    const { status, headers, body } = await get('/docs')
    expect(status).toBe(200)
    expect(headers.get('content-type')).toMatch(/^text\/html/)
    expect(body).toContain('<html')
  })
})
