import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2'
import { join } from 'node:path'
import { attachStack, type RunningStack } from '@bitka/deploy/native'
import { waitFor } from '@bitka/testkit'
import { WebSocket } from 'ws'

let stack: RunningStack
beforeAll(() => {
  stack = attachStack()
})

const service = '/bitka.market_data.v1.MarketDataService'
/** A message of no bytes, as gRPC frames it. */
const emptyFrame = Buffer.alloc(5)
/** StreamBook of BTC-THB: field 1 is the symbol. */
const bookFrame = Buffer.from([0, 0, 0, 0, 9, 0x0a, 7, ...Buffer.from('BTC-THB')])
/** Lines of a program's log with this request id. */
const logged = (program: string, id: string): string[] =>
  readFileSync(join(stack.home, 'log', `${program}.log`), 'utf8')
    .split('\n')
    .filter((line) => line.includes(id))

// biome-ignore lint/suspicious/noExplicitAny: a test looks into bodies that it has no type for
type Body = any

/** The operator's session. */
async function signIn(headers: Record<string, string>): Promise<Body> {
  const { operatorEmail: identifier, operatorPassword: password } = stack
  const response = await fetch(`${stack.url}/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ identifier, password }),
  })
  expect(response.status).toBe(200)
  return ((await response.json()) as Body).data
}

async function overH2<T>(use: (session: ClientHttp2Session) => Promise<T>): Promise<T> {
  const session = connect(stack.url, { ca: readFileSync(stack.caFile) })
  try {
    return await use(session)
  } finally {
    session.destroy()
  }
}

describe('through Envoy to the gateway', () => {
  it('goes REST, over HTTP/2 too', async () => {
    const body = await overH2(
      (session) =>
        new Promise<string>((resolve, reject) => {
          const stream = session.request({ ':path': '/v1/time' })
          let text = ''
          stream.setEncoding('utf8').on('data', (part) => (text += part))
          stream.once('end', () => resolve(text)).once('error', reject)
        }),
    )
    expect(JSON.parse(body)).toMatchObject({ success: true, data: { epoch_ms: expect.any(Number) } })
  })

  it('goes Connect', async () => {
    const headers = { 'content-type': 'application/json', 'connect-protocol-version': '1' }
    const response = await fetch(`${stack.url}${service}/ListSymbols`, { method: 'POST', headers, body: '{}' })
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toMatchObject({
      items: expect.arrayContaining([expect.objectContaining({ symbol: 'BTC-THB' })]),
    })
  })

  it('goes gRPC-Web', async () => {
    const headers = { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' }
    const response = await fetch(`${stack.url}${service}/ListSymbols`, { method: 'POST', headers, body: emptyFrame })
    expect(response.headers.get('content-type')).toBe('application/grpc-web+proto')
    const answer = Buffer.from(await response.arrayBuffer()).toString('latin1')
    expect(answer).toContain('BTC-THB')
    expect(answer).toMatch(/grpc-status: ?0/)
  })

  it('goes a stream of gRPC-Web, piece by piece', async () => {
    const headers = { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' }
    const stop = new AbortController()
    const response = await fetch(`${stack.url}${service}/StreamBook`, {
      ...{ method: 'POST', headers, body: bookFrame, signal: stop.signal },
    })
    const first = await response.body?.getReader().read()
    expect(first?.value?.length).toBeGreaterThan(5)
    stop.abort()
  })

  it('goes gRPC, unary and streaming', async () => {
    const call = (session: ClientHttp2Session, method: string, frame: Buffer, done: 'end' | 'data') =>
      new Promise<{ head: IncomingHttpHeaders; trailers: IncomingHttpHeaders; text: string }>((resolve, reject) => {
        const headers = { 'content-type': 'application/grpc', te: 'trailers' }
        const stream = session.request({ ':method': 'POST', ':path': `${service}/${method}`, ...headers })
        let [head, trailers, text]: [IncomingHttpHeaders, IncomingHttpHeaders, string] = [{}, {}, '']
        stream.once('response', (given) => (head = given)).once('trailers', (given) => (trailers = given))
        stream.setEncoding('latin1').on('data', (part) => (text += part))
        stream.once(done, () => setImmediate(() => resolve({ head, trailers, text }))).once('error', reject)
        stream.end(frame)
      })
    await overH2(async (session) => {
      const unary = await call(session, 'ListSymbols', emptyFrame, 'end')
      expect(unary.trailers['grpc-status'] ?? unary.head['grpc-status']).toBe('0')
      expect(unary.text).toContain('BTC-THB')
      const streamed = await call(session, 'StreamBook', bookFrame, 'data')
      expect(streamed.head[':status']).toBe(200)
      expect(streamed.text.length).toBeGreaterThan(5)
    })
  })

  it('goes the WebSocket, and stays open', async () => {
    const socket = new WebSocket(`${stack.url.replace('https', 'wss')}/v1/marketdata/stream`, {
      ca: readFileSync(stack.caFile),
    })
    const frames: Record<string, unknown>[] = []
    socket.on('message', (data) => frames.push(JSON.parse(String(data))))
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    socket.send(JSON.stringify({ op: 'subscribe', channel: 'orderbook', symbol: 'BTC-THB', id: 1 }))
    await waitFor(() => frames.some(({ type }) => type === 'snapshot'))
    socket.send(JSON.stringify({ op: 'ping', id: 2 }))
    await waitFor(() => frames.some(({ type, id }) => type === 'pong' && id === 2))
    socket.close()
  })
})

describe('what the gateway is told', () => {
  it('is the request id that the answer and both logs have', async () => {
    const id = randomUUID()
    const response = await fetch(`${stack.url}/v1/time`, { headers: { 'x-request-id': id } })
    expect(response.headers.get('x-request-id')).toBe(id)
    expect(((await response.json()) as Body).meta.request_id).toBe(id)
    await waitFor(() => logged('envoy', id).length === 1 && logged('gateway', id).length > 0, {
      what: 'the request in both logs',
    })
  })
  it('is a new one where the sent one is none', async () => {
    const response = await fetch(`${stack.url}/v1/time`, { headers: { 'x-request-id': 'mine' } })
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })
  it('is the address of the connection, whatever is forged', async () => {
    const id = randomUUID()
    const forged = {
      'x-forwarded-for': '203.0.113.7',
      forwarded: 'for=203.0.113.7',
      'x-envoy-external-address': '203.0.113.7',
      'x-forwarded-client-cert': 'URI=spiffe://bitka.local/ns/bitka/sa/envoy',
    }
    const { access_token: token } = await signIn({ ...forged, 'x-request-id': id })
    const record = await waitFor(async () => {
      const response = await fetch(`${stack.url}/v1/admin/audit?request_id=${id}`, {
        headers: { authorization: `Bearer ${token}` },
      })
      return ((await response.json()) as Body).data.items[0]
    })
    expect(record).toMatchObject({ request_id: id, address: '127.0.0.1' })
  })
})

it('the log of the edge has no password and no token of anybody', async () => {
  const { operatorPassword: password } = stack
  const id = randomUUID()
  const data = await signIn({})
  // As a program with a bug might ask.
  const wrong = `/v1/auth/login?password=${encodeURIComponent(password)}&refresh_token=${data.refresh_token}`
  expect((await fetch(stack.url + wrong, { method: 'POST' })).status).toBe(400)
  const authorization = `Bearer ${data.access_token}`
  await fetch(`${stack.url}/v1/users/me?access_token=${data.access_token}`, {
    headers: { authorization, 'x-request-id': id },
  })
  await waitFor(() => logged('envoy', id).length === 1)
  const log = readFileSync(join(stack.home, 'log', 'envoy.log'), 'utf8')
  expect(log).toContain('/v1/auth/login')
  for (const secret of [password, data.access_token, data.refresh_token]) expect(log).not.toContain(secret)
})

it('Envoy that is stopped and started again serves as before', async () => {
  const { controls } = stack
  const url = `${stack.url}/v1/time`
  expect(await controls.stop('envoy')).toBe(0)
  await expect(fetch(url)).rejects.toThrow()
  await controls.start('envoy')
  await waitFor(async () => (await fetch(url)).status === 200, { what: 'Envoy' })
})
