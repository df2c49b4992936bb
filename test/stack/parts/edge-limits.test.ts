import { randomBytes } from 'node:crypto'
import { connect as connectH2 } from 'node:http2'
import { startTestEdge, type TestEdge } from '@bitka/deploy/envoy'
import { waitFor } from '@bitka/testkit'
import { type Ask, ask, askH2, envoyBinary, type Reply, talk } from '../edge/http.ts'

const LIMIT = 65_536
const UPLOAD_LIMIT = 5 * 1024 * 1024
const HEAD = 'Host: localhost\r\n'

let edge: TestEdge
let received: number
/** What takes long by its nature is begun at once for all. */
let slow: Record<'head' | 'body' | 'answer', Promise<{ text: string; ms: number }>>

beforeAll(async () => {
  edge = await startTestEdge({ binary: await envoyBinary(), options: { uploads: ['/v1/users/me/avatar'] } })
  edge.upstream.http = (req, res) => {
    if (req.url === '/v1/hang') return
    received = 0
    req.on('data', (part: Buffer) => {
      received += part.length
    })
    req.once('end', () => res.end('{}'))
  }
  const timed = async (text: string): Promise<{ text: string; ms: number }> => {
    const startedMs = performance.now()
    const { socket, said, ended } = await talk(edge)
    socket.write(text)
    await ended
    return { text: said(), ms: performance.now() - startedMs }
  }
  slow = {
    head: timed(`GET /v1/time HTTP/1.1\r\n${HEAD}X-Slow: `),
    body: timed(`POST /v1/orders HTTP/1.1\r\n${HEAD}Content-Length: 10\r\n\r\n{`),
    answer: timed(`GET /v1/hang HTTP/1.1\r\n${HEAD}Connection: close\r\n\r\n`),
  }
}, 120_000)
afterAll(() => edge?.stop())

const envelope = (code: string, instance: string) => ({
  success: false,
  error: { code, message: expect.stringMatching(/^[A-Z].*\.$/), instance },
  meta: { request_id: expect.stringMatching(/^[0-9a-f-]{36}$/) },
})
/** The limit that ended a request, as the access log has it: the clock of a busy machine would not tell one from another. */
const endedBy = async (text: string): Promise<unknown> => {
  const { request_id } = JSON.parse(text.slice(text.indexOf('{'))).meta
  const line = await waitFor(() => edge.accessLog().find((one) => one.request_id === request_id), {
    what: 'the line of the request',
  })
  return line.detail
}
const tooLarge = envelope('PAYLOAD_TOO_LARGE', '/v1/orders')

describe('a body', () => {
  const post = { method: 'POST', headers: { 'content-type': 'application/json' } }
  it('may have 64 KiB', async () => {
    for (const way of [ask, askH2]) {
      expect((await way(edge, '/v1/orders', { ...post, body: Buffer.alloc(LIMIT) })).status).toBe(200)
      expect(received).toBe(LIMIT)
    }
  })
  it('may not have one byte more', async () => {
    for (const way of [ask, askH2]) {
      const reply = await way(edge, '/v1/orders', { ...post, body: Buffer.alloc(LIMIT + 1) })
      expect({ status: reply.status, body: reply.json }).toEqual({ status: 413, body: tooLarge })
    }
  })
  it('may not hide its length', async () => {
    const { socket, said, ended } = await talk(edge)
    socket.write(`POST /v1/orders HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n`)
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
    for (let i = 0; i < 5; i += 1) socket.write(chunk)
    await ended
    expect(said()).toMatch(/^HTTP\/1\.1 413 /)
    expect(said()).toContain('"PAYLOAD_TOO_LARGE"')
  })
  it('of an RPC has the same limit', async () => {
    const body = Buffer.alloc(LIMIT + 1)
    const reply = await ask(edge, '/bitka.order.v1.OrderService/CreateOrder', { ...post, body })
    expect(reply.status).toBe(413)
  })
  it('of an upload flows through, up to 5 MiB', async () => {
    let first = 0
    const { socket, said, ended } = await talk(edge)
    socket.write(
      `PUT /v1/users/me/avatar HTTP/1.1\r\n${HEAD}Connection: close\r\nContent-Length: ${UPLOAD_LIMIT}\r\n\r\n`,
    )
    received = 0
    socket.write(randomBytes(LIMIT * 2))
    // It arrives before the rest was sent.
    await waitFor(() => received === LIMIT * 2, { what: 'the first part of the upload' })
    first = received
    socket.write(Buffer.alloc(UPLOAD_LIMIT - LIMIT * 2))
    await ended
    expect(said()).toMatch(/^HTTP\/1\.1 200 /)
    expect({ first, received }).toEqual({ first: LIMIT * 2, received: UPLOAD_LIMIT })
  })
  it('of an upload has an end too', async () => {
    const reply = await ask(edge, '/v1/users/me/avatar', { method: 'PUT', body: Buffer.alloc(UPLOAD_LIMIT + 1) })
    expect(reply.status).toBe(413)
  })
})

describe('the head of a request', () => {
  it('may have 100 fields', async () => {
    const headers = Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`x-${i}`, '1']))
    expect((await ask(edge, '/v1/time', { headers })).status).toBe(200)
  })
  it.each([
    ['too many fields', Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`x-${i}`, '1']))],
    ['16 KiB', { 'x-large': 'x'.repeat(17_000) }],
  ])('may not have %s', async (_, headers) => {
    const reply = await ask(edge, '/v1/time', { headers })
    expect({ status: reply.status, body: reply.json }).toEqual({ status: 431, body: envelope('INVALID_INPUT', '') })
    await expect(askH2(edge, '/v1/time', { headers })).rejects.toThrow()
  })
  it('has to arrive in 5 s', async () => {
    const { text, ms } = await slow.head
    expect(text).toMatch(/^HTTP\/1\.1 408 /)
    expect(JSON.parse(text.slice(text.indexOf('{')))).toEqual(envelope('INVALID_INPUT', ''))
    expect(ms).toBeGreaterThan(4_000)
    expect(await endedBy(text)).toBe('request_header_timeout')
  })
})

it('a body has to arrive in 11 s', async () => {
  const { text, ms } = await slow.body
  expect(ms).toBeGreaterThan(10_000)
  expect(text).toMatch(/^HTTP\/1\.1 408 /)
  expect(JSON.parse(text.slice(text.indexOf('{')))).toEqual(envelope('INVALID_INPUT', '/v1/orders'))
  expect(await endedBy(text)).toBe('request_overall_timeout')
})

it('an answer has to begin in 15 s', async () => {
  const { text, ms } = await slow.answer
  expect(text).toMatch(/^HTTP\/1\.1 504 /)
  expect(JSON.parse(text.slice(text.indexOf('{')))).toEqual(envelope('DEADLINE_EXCEEDED', '/v1/hang'))
  expect(ms).toBeGreaterThan(14_000)
  expect(await endedBy(text)).toBe('response_timeout')
})

it('one connection has no more than 100 requests under way', async () => {
  const session = connectH2(edge.url, { ca: edge.roots })
  session.on('error', () => {})
  await waitFor(() => session.remoteSettings?.maxConcurrentStreams !== undefined)
  expect(session.remoteSettings.maxConcurrentStreams).toBe(100)
  session.destroy()
})

describe('the flood guard', () => {
  let guarded: TestEdge
  beforeAll(async () => {
    guarded = await startTestEdge({ binary: await envoyBinary(), options: { flood: { perSecond: 1, burst: 5 } } })
  }, 120_000)
  afterAll(() => guarded?.stop())

  const statuses = async (from: string, times: number): Promise<number[]> => {
    const seen: number[] = []
    for (let i = 0; i < times; i += 1) seen.push((await ask(guarded, '/v1/time', { from })).status)
    return seen
  }
  /** Asks, many times at once, until one is refused: an address gets a new token each second, and a machine may be slow. */
  const refused = (path: string, optionsOf: (i: number) => Ask): Promise<Reply> =>
    waitFor(
      async () => {
        const replies = await Promise.all(Array.from({ length: 12 }, (_, i) => ask(guarded, path, optionsOf(i))))
        return replies.find(({ status }) => status === 429)
      },
      { what: 'a refusal' },
    )
  it('answers 429 to an address that asks too much, and to no other', async () => {
    expect(await statuses('127.0.0.7', 5)).toEqual([200, 200, 200, 200, 200])
    const reply = await refused('/v1/time', () => ({ from: '127.0.0.7' }))
    expect(reply.json).toEqual(envelope('RATE_LIMITED', '/v1/time'))
    expect(reply.headers['retry-after']).toBe('1')
    expect(await statuses('127.0.0.8', 3)).toEqual([200, 200, 200])
  })
  it('counts by who it is, whatever he says', async () => {
    const headersOf = (i: number) => ({ 'x-forwarded-for': `10.0.0.${i}`, 'x-envoy-external-address': `10.0.0.${i}` })
    const reply = await refused('/v1/time', (i) => ({ from: '127.0.0.9', headers: headersOf(i) }))
    expect(reply.json).toEqual(envelope('RATE_LIMITED', '/v1/time'))
  })
  it('counts the opening of WebSockets', async () => {
    const headers = {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'x',
    }
    const reply = await refused('/v1/marketdata/stream', () => ({ from: '127.0.0.10', headers }))
    expect(reply.json).toEqual(envelope('RATE_LIMITED', '/v1/marketdata/stream'))
  })
})
