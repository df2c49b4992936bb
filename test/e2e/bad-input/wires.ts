import { setTimeout as pause } from 'node:timers/promises'
import { expectCommon, expectNamed, expectRefusal } from './expected.ts'
import { firstAnswer, send, wire } from './raw.ts'
import type { World } from './world.ts'

const head = (line: string, ...headers: string[]): string => `${[line, 'Host: x', ...headers].join('\r\n')}\r\n`

/** The connection itself: broken, slow, half open, too large, or in another protocol. */
export function wireSuite(at: () => World): void {
  /** Answered and closed within a second, in the envelope. */
  const refused = async (bytes: string | Buffer, status: number, instance = ''): Promise<void> => {
    const answer = await wire(at().port, [bytes])
    expect(answer.closed).toBe(true)
    expect(answer.tookMs).toBeLessThan(4_000)
    expectRefusal(firstAnswer(answer), { status, instance })
  }

  it.each([
    ['no HTTP', 'NONSENSE\r\n\r\n'],
    ['HTTP/3.0', 'GET /v1/time HTTP/3.0\r\nHost: x\r\n\r\n'],
    ['an unknown verb', head('FROBNICATE /v1/time HTTP/1.1')],
    ['a space in the target', `${head('GET /v1/time x HTTP/1.1')}\r\n`],
    ['a header without a colon', `${head('GET /v1/time HTTP/1.1', 'nonsense')}\r\n`],
    ['a NUL in a header', `${head('GET /v1/time HTTP/1.1', 'X-A: a\0b')}\r\n`],
    ['a folded header', `${head('GET /v1/time HTTP/1.1', 'X-A: a', ' b')}\r\n`],
    ['two lengths', `${head('POST /v1/orders HTTP/1.1', 'Content-Length: 1', 'Content-Length: 2')}\r\nab`],
    ['a negative length', `${head('POST /v1/orders HTTP/1.1', 'Content-Length: -1')}\r\n`],
    [
      'length and chunks',
      `${head('POST /v1/orders HTTP/1.1', 'Content-Length: 5', 'Transfer-Encoding: chunked')}\r\n0\r\n\r\n`,
    ],
    ['an unknown coding', `${head('POST /v1/orders HTTP/1.1', 'Transfer-Encoding: gzip')}\r\n`],
    ['TLS', Buffer.from('160301020001000001fc0303', 'hex')],
  ])('%s is 400', async (_, bytes) => refused(bytes, 400))

  it('a chunk that is none is 400, and the request has no effect', async () => {
    const start = head('POST /v1/auth/login HTTP/1.1', 'Content-Type: application/json', 'Transfer-Encoding: chunked')
    await refused(`${start}\r\nZZ\r\n{}\r\n0\r\n\r\n`, 400)
  })

  it('a request without Host is 400', async () => {
    const answer = await wire(at().port, ['GET /v1/time HTTP/1.1\r\nConnection: close\r\n\r\n'])
    expectRefusal(firstAnswer(answer), { status: 400, fields: ['Host'], instance: '/v1/time' })
    const old = await wire(at().port, ['GET /v1/time HTTP/1.0\r\n\r\n'])
    expect(firstAnswer(old).status).toBe(200)
  })

  it('a head above 16 KiB is 431, one header or many', async () => {
    await refused(`${head('GET /v1/time HTTP/1.1', `X-A: ${'x'.repeat(17_000)}`)}\r\n`, 431)
    const many = Array.from({ length: 2_000 }, (_, index) => `X-${index}: 12345`)
    await refused(`${head('GET /v1/time HTTP/1.1', ...many)}\r\n`, 431)
    await refused(`${head(`GET /v1/time?${'x'.repeat(17_000)} HTTP/1.1`)}\r\n`, 431)
    await refused(`${head('GET /v1/time HTTP/1.1', `Authorization: Bearer ${'x'.repeat(17_000)}`)}\r\n`, 431)
  })

  it('a body above 64 KiB is 413, also in chunks, and what follows is no request', async () => {
    const post = 'POST /v1/auth/login HTTP/1.1'
    const second = `${head('GET /v1/time HTTP/1.1')}\r\n`
    const told = `${head(post, 'Content-Type: application/json', 'Content-Length: 65537')}\r\n${'x'.repeat(65_537)}${second}`
    const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`
    const chunked = `${head(post, 'Content-Type: application/json', 'Transfer-Encoding: chunked')}\r\n${chunk.repeat(3)}0\r\n\r\n${second}`
    for (const bytes of [told, chunked]) {
      const answer = await wire(at().port, [bytes])
      expectRefusal(firstAnswer(answer), { status: 413, instance: '/v1/auth/login' })
      expect([answer.closed, answer.text.match(/HTTP\/1\.1 /g)?.length]).toEqual([true, 1])
    }
    const fits = await at().send({ method: 'POST', path: '/v1/auth/login', body: `{}${' '.repeat(65_534)}` })
    expect(fits.status).toBe(400)
  })

  it('slow heads and slow bodies are 408, and hold no connection', async () => {
    const port = await at().gateway({ BITKA_HEADERS_TIMEOUT_MS: '300', BITKA_BODY_TIMEOUT_MS: '300' })
    const drip = Array.from('GET /v1/time HTTP/1.1\r\nX: y').flatMap((byte) => [byte, 60])
    const start = head('POST /v1/auth/login HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 50')
    const body = Array.from('{"identifier":"slow loris"').flatMap((byte) => [byte, 60])
    const [silent, slowHead, slowBody] = await Promise.all([
      wire(port, []),
      wire(port, drip),
      wire(port, [`${start}\r\n`, ...body]),
    ])
    expectRefusal(firstAnswer(slowHead), { status: 408, instance: '' })
    expectRefusal(firstAnswer(slowBody), { status: 408, instance: '/v1/auth/login' })
    for (const { closed, tookMs } of [silent, slowHead, slowBody]) {
      expect(closed).toBe(true)
      expect(tookMs).toBeLessThan(4_500)
    }
  })

  it('half-open sockets get their answer, or an end', async () => {
    const { port } = at()
    const { connect } = await import('node:net')
    const halfOpen = (bytes: string): Promise<string> =>
      new Promise((resolve, reject) => {
        let text = ''
        const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
        socket.on('data', (chunk) => {
          text += String(chunk)
        })
        socket.on('end', () => resolve(text))
        socket.on('error', reject)
        socket.end(bytes)
      })
    expect(await halfOpen(`${head('GET /v1/time HTTP/1.1')}\r\n`)).toMatch(/^(HTTP\/1\.1 200 |$)/)
    const part = head('POST /v1/orders HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 100')
    expect(await halfOpen(`${part}\r\n{"symbol":`)).not.toMatch(/^HTTP\/1\.1 (2|5)/)
    // Two hundred that say nothing keep nobody else out.
    const idle = Array.from({ length: 200 }, () => connect(port, '127.0.0.1').on('error', () => {}))
    await pause(50)
    expect((await at().send({ path: '/healthz' })).status).toBe(200)
    for (const socket of idle) socket.destroy()
  })

  it('requests in a row are answered in a row, each its own', async () => {
    const one = (path: string, ...headers: string[]): string => `${head(`GET ${path} HTTP/1.1`, ...headers)}\r\n`
    const { text } = await wire(at().port, [
      one('/v1/nope') + one('/v1/orders') + one('/healthz') + one('/v1/time', 'Connection: close'),
    ])
    expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(['404', '401', '200', '200'])
  })

  it('understands a whole address as its target, and ignores what it does not speak', async () => {
    const { port } = at()
    const close = 'Connection: close'
    const whole = firstAnswer(await wire(port, [`${head('GET http://x:80/v1/nope?a=1 HTTP/1.1', close)}\r\n`]))
    expectRefusal(whole, { status: 404, instance: '/v1/nope' })
    const time = firstAnswer(await wire(port, [`${head('GET http://x/v1/time HTTP/1.1', close)}\r\n`]))
    expect(time.status).toBe(200)
    expectCommon(time)
    const expecting = firstAnswer(
      await wire(port, [`${head('GET /v1/time HTTP/1.1', close, 'Expect: a miracle')}\r\n`]),
    )
    expect(expecting.status).toBe(200)
    // The offer of HTTP/2 that curl --http2 and Java's client make.
    const h2c = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__']
    const offered = firstAnswer(await wire(port, [`${head('GET /v1/time HTTP/1.1', ...h2c)}\r\n`], 300))
    expect(offered.status).toBe(200)
    const json = ['Content-Type: application/json', 'Content-Length: 2']
    const posted = firstAnswer(
      await wire(port, [`${head('POST /v1/auth/login HTTP/1.1', ...h2c, ...json)}\r\n{}`], 300),
    )
    expectNamed({ ...posted, path: '/v1/auth/login' }, 400, 'identifier')
    const webSocket = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAA',
    ]
    const elsewhere = firstAnswer(await wire(port, [`${head('GET /v1/orders HTTP/1.1', ...webSocket)}\r\n`], 300))
    expectRefusal(elsewhere, { status: 401, instance: '/v1/orders' })
  })

  it('headers may hold anything', async () => {
    const world = at()
    const odd = {
      'user-agent': `\u00ff\u0080${'x'.repeat(9_000)}`,
      prefer: 'wait=99999999999999999999; \u00e9, respond-async, wait="5',
      'x-request-id': '\u00ff<script>',
      traceparent: '00-zz',
      accept: '\u00ff/\u00ff',
      'accept-language': 'x'.repeat(1_000),
      cookie: 'a=b; c',
      range: 'bytes=0-1',
      'if-match': '*',
      'x-http-method-override': 'DELETE',
      'x-original-url': '/v1/admin/users',
      'content-length': '0',
    }
    const answer = await world.as('alice', { path: '/v1/users/me', headers: odd })
    expect(answer.status).toBe(200)
    expectCommon(answer)
    expect(answer.body.data.id).toBe(world.people.alice.userId)
    const refusal = await world.as('alice', {
      method: 'POST',
      path: '/v1/orders',
      body: {},
      headers: { ...odd, 'content-length': '2' },
    })
    expect(refusal.status).toBe(400)
    const both = { authorization: [`Bearer ${world.token('alice')}`, 'Bearer x'] }
    expect([200, 401]).toContain((await world.send({ path: '/v1/users/me', headers: both })).status)
  })

  it('an address is the socket’s, whatever a header claims', async () => {
    const world = at()
    const port = await world.gateway({ BITKA_RATE_LIMIT_SCALE: '1', BITKA_LIMIT_ANONYMOUS_PER_MINUTE: '5' })
    const names = [
      'x-forwarded-for',
      'x-envoy-external-address',
      'x-real-ip',
      'forwarded',
      'x-client-address',
      'true-client-ip',
    ]
    const claims = (index: number) => Object.fromEntries(names.map((name) => [name, `203.0.113.${index}`]))
    const statuses: number[] = []
    for (let index = 0; index < 6; index += 1) {
      statuses.push((await send(port, { path: '/v1/time', headers: claims(index) })).status)
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429])
    const refused = await send(port, { path: '/v1/ledger/assets', headers: claims(99) })
    expectRefusal(refused, { status: 429 })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused.headers['ratelimit-policy']).toBe('"anonymous";q=5;w=60')
    expect(refused.headers.ratelimit).toMatch(/^"anonymous";r=0;t=\d+$/)
    // Whoever is signed in has a budget of their own.
    const own = await send(port, { path: '/v1/users/me', token: world.token('alice') })
    expect([own.status, own.headers['ratelimit-policy']]).toEqual([200, '"user";q=1200;w=60'])
  })

  it('has left nothing behind', () => at().expectUnchanged())
}
