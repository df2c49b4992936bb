import { randomBytes } from 'node:crypto'
import { waitFor } from '@bitka/testkit'
import { WebSocket } from 'ws'
import { expectCommon, expectRefusal } from './expected.ts'
import { firstAnswer, type Json, wire } from './raw.ts'
import type { World } from './world.ts'

const path = '/v1/marketdata/stream'

/** A client that may say anything. */
class Chatter {
  readonly frames: Json[] = []
  closed: number | undefined

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data) => this.frames.push(JSON.parse(String(data))))
    socket.on('close', (code) => {
      this.closed = code
    })
    socket.on('error', () => {})
  }

  static async open(port: number, headers: Record<string, string> = {}): Promise<Chatter> {
    const chatter = new Chatter(new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers }))
    await new Promise((resolve, reject) => chatter.socket.once('open', resolve).once('error', reject))
    return chatter
  }

  /** Says something and waits for the next answer. */
  async ask(message: string | Buffer | object): Promise<Json> {
    const before = this.frames.length
    this.say(message)
    await waitFor(() => this.frames.length > before || this.closed !== undefined, { what: 'an answer' })
    return this.frames[before]
  }

  say(message: string | Buffer | object): void {
    this.socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message))
  }
}

const handshake = (...more: string[]): string =>
  [
    `GET ${path} HTTP/1.1`,
    'Host: x',
    'Connection: Upgrade',
    'Upgrade: websocket',
    ...(more.length > 0
      ? more
      : ['Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`]),
    '\r\n',
  ].join('\r\n')

/** A frame as a client sends it, masked with zeros. */
const rawFrame = (firstByte: number, payload: Buffer, length = payload.length): Buffer => {
  const size = length < 126 ? Buffer.of(0x80 | length) : Buffer.of(0xfe, length >> 8, length & 0xff)
  return Buffer.concat([Buffer.of(firstByte), size, Buffer.alloc(4), payload])
}

const junk: readonly (readonly [string | Buffer | object, string])[] = [
  ['', 'INVALID_INPUT'],
  ['nonsense', 'INVALID_INPUT'],
  ['[]', 'INVALID_INPUT'],
  ['1', 'INVALID_INPUT'],
  ['null', 'INVALID_INPUT'],
  ['{"op":"ping"}{"op":"ping"}', 'INVALID_INPUT'],
  ['{"op":"ping","op":"ping"}', 'INVALID_INPUT'],
  ['{"op":"ping","__proto__":{}}', 'INVALID_INPUT'],
  ['{"op":"subscribe","channel":"trades","symbol":"BTC\\u0000THB"}', 'INVALID_INPUT'],
  [`{"op":${'['.repeat(1_000)}${']'.repeat(1_000)}}`, 'INVALID_INPUT'],
  [Buffer.from('{"op":"ping"}'), 'INVALID_INPUT'],
  [{}, 'INVALID_INPUT'],
  [{ op: 'PING' }, 'INVALID_INPUT'],
  [{ op: 'constructor' }, 'INVALID_INPUT'],
  [{ op: ['ping'] }, 'INVALID_INPUT'],
  [{ op: 'ping', more: 1 }, 'INVALID_INPUT'],
  [{ op: 'ping', id: {} }, 'INVALID_INPUT'],
  [{ op: 'ping', id: 1.5 }, 'INVALID_INPUT'],
  [{ op: 'ping', id: 'x'.repeat(65) }, 'INVALID_INPUT'],
  [{ op: 'subscribe' }, 'INVALID_INPUT'],
  [{ op: 'subscribe', channel: 'gossip', symbol: 'BTC-THB' }, 'INVALID_INPUT'],
  [{ op: 'subscribe', channel: '__proto__', symbol: 'BTC-THB' }, 'INVALID_INPUT'],
  [{ op: 'subscribe', channel: 'trades' }, 'INVALID_INPUT'],
  [{ op: 'subscribe', channel: 'trades', symbol: 7 }, 'INVALID_INPUT'],
  [{ op: 'subscribe', channel: 'trades', symbol: 'BTC-THB', since_fill_id: 'x' }, 'INVALID_INPUT'],
  [{ op: 'subscribe', channel: 'candles', symbol: 'BTC-THB' }, 'INVALID_INPUT'],
  [{ op: 'subscribe', channel: 'candles', symbol: 'BTC-THB', interval: '2m' }, 'INVALID_INPUT'],
  [{ op: 'subscribe', channel: 'trades', symbol: 'NO-SUCH' }, 'NOT_FOUND'],
  [{ op: 'subscribe', channel: 'trades', symbol: "' or 1=1" }, 'NOT_FOUND'],
  [{ op: 'subscribe', channel: 'trades', symbol: '../orders' }, 'NOT_FOUND'],
  [{ op: 'subscribe', channel: 'orders' }, 'UNAUTHORIZED'],
  [{ op: 'subscribe', channel: 'fills', since_fill_id: 'x' }, 'UNAUTHORIZED'],
  [{ op: 'subscribe', channel: 'balances' }, 'UNAUTHORIZED'],
  [{ op: 'auth' }, 'INVALID_INPUT'],
  [{ op: 'auth', token: '' }, 'INVALID_INPUT'],
  [{ op: 'auth', token: 'x' }, 'UNAUTHORIZED'],
  [{ op: 'auth', token: `${'x'.repeat(1_000)}.y.z` }, 'UNAUTHORIZED'],
]

/** The WebSocket: words that are none, floods, and frames that no client makes. */
export function socketSuite(at: () => World): void {
  it('answers every word that is none, and stays open', async () => {
    const chatter = await Chatter.open(await at().gateway({ BITKA_WS_MESSAGES_PER_SECOND: '1000' }))
    for (const [message, code] of junk) {
      const answer = await chatter.ask(message)
      expect({ message, answer }).toEqual({
        message,
        answer: expect.objectContaining({ type: 'error', code, message: expect.stringMatching(/^[A-Z].*\.$/) }),
      })
      expect(JSON.stringify(answer)).not.toMatch(/at .*\.ts|localhost|127\.0\.0\.1|select|stack/i)
    }
    expect(await chatter.ask({ op: 'ping', id: 7 })).toEqual({ type: 'pong', id: 7 })
    expect(chatter.closed).toBeUndefined()
    chatter.socket.terminate()
  })

  it('refuses a handshake that is none, in the envelope', async () => {
    const { port } = at()
    for (const headers of [
      ['Sec-WebSocket-Version: 12', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='],
      ['Sec-WebSocket-Version: 13'],
      ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: short'],
    ]) {
      expectRefusal(firstAnswer(await wire(port, [handshake(...headers)])), { status: 400, instance: path })
    }
    expectRefusal(await at().send({ path }), { status: 400 })
    const good = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']
    const inUrl = handshake(...good).replace(path, `${path}?token=x`)
    expectRefusal(firstAnswer(await wire(port, [inUrl])), { status: 400, instance: path })
    const badToken = firstAnswer(await wire(port, [handshake(...good, 'Authorization: Bearer x')]))
    expectRefusal(badToken, { status: 401, instance: path })
    const foreign = firstAnswer(await wire(port, [handshake(...good, 'Origin: https://evil.test')]))
    expectRefusal(foreign, { status: 403, instance: path })
    expectCommon(foreign)
  })

  it.each([
    ['without a mask', Buffer.of(0x81, 0x02, 0x68, 0x69), 1002],
    ['with reserved bits', rawFrame(0xf1, Buffer.from('hi')), 1002],
    ['of an unknown kind', rawFrame(0x83, Buffer.from('hi')), 1002],
    ['that goes on with nothing', rawFrame(0x80, Buffer.from('hi')), 1002],
    ['with a ping in pieces', rawFrame(0x09, Buffer.from('hi')), 1002],
    ['with a ping too long', rawFrame(0x89, Buffer.alloc(126), 126), 1002],
    ['whose text is no UTF-8', rawFrame(0x81, Buffer.of(0xff, 0xfe)), 1007],
    ['of 5,000 bytes', rawFrame(0x81, Buffer.alloc(5_000, 0x20), 5_000), 1009],
    ['of 2^62 bytes', Buffer.of(0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1009],
  ])('ends a connection with a frame %s', async (_, bytes, code) => {
    const { text, closed } = await wire(at().port, [handshake(), 50, bytes])
    expect(text).toMatch(/^HTTP\/1\.1 101 /)
    // A ping of the server may come first.
    let frames = Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1')
    while (frames[0] === 0x89) frames = frames.subarray(2)
    expect([closed, frames[0], frames.readUInt16BE(2)]).toEqual([true, 0x88, code])
  })

  it('ends a flood with 1008, after having said so, and serves others meanwhile', async () => {
    const chatter = await Chatter.open(at().port)
    for (let index = 0; index < 400; index += 1) chatter.say({ op: 'ping', id: index })
    const other = await Chatter.open(at().port)
    expect(await other.ask({ op: 'ping', id: 'me' })).toEqual({ type: 'pong', id: 'me' })
    await waitFor(() => chatter.closed !== undefined, { what: 'the end of the flood' })
    expect(chatter.closed).toBe(1008)
    expect(chatter.frames.some(({ code }) => code === 'RATE_LIMITED')).toBe(true)
    other.socket.terminate()
  })

  it('outlives 20,000 pings from somebody who does not read', async () => {
    const chatter = await Chatter.open(at().port)
    chatter.socket.pause()
    const payload = Buffer.alloc(125)
    for (let index = 0; index < 20_000; index += 1) chatter.socket.ping(payload)
    const other = await Chatter.open(at().port)
    expect(await other.ask({ op: 'ping' })).toEqual({ type: 'pong' })
    other.socket.terminate()
    chatter.socket.terminate()
  })

  it('holds so many subscriptions and no more, of 10,000 that are asked for', async () => {
    const port = await at().gateway({ BITKA_WS_MESSAGES_PER_SECOND: '100000', BITKA_WS_SUBSCRIPTIONS: '5' })
    const chatter = await Chatter.open(port)
    const symbols = ['BTC-THB', 'ETH-THB', 'USDT-THB']
    for (let index = 0; index < 10_000; index += 1) {
      const channel = ['trades', 'ticker', 'orderbook'][Math.floor(index / 3) % 3]
      chatter.say({ op: 'subscribe', channel, symbol: symbols[index % 3], id: index })
    }
    const answered = (): Json[] => chatter.frames.filter(({ id }) => id !== undefined)
    await waitFor(() => answered().length === 10_000 || chatter.closed !== undefined, { timeoutMs: 30_000 })
    const types = (type: string): Json[] => answered().filter((frame) => frame.type === type)
    const topics = new Set(types('subscribed').map(({ channel, symbol }) => `${channel} ${symbol}`))
    expect(topics.size).toBe(5)
    expect(new Set(types('error').map(({ code }) => code))).toEqual(new Set(['RATE_LIMITED']))
    expect(types('subscribed').length + types('error').length).toBe(10_000)
    expect((await at().send({ path: '/v1/time' })).status).toBe(200)
    chatter.socket.terminate()
  })

  it('charges an address for markets and tokens that are none', async () => {
    const limits = { BITKA_RATE_LIMIT_SCALE: '1', BITKA_LIMIT_ANONYMOUS_PER_MINUTE: '8' }
    const chatter = await Chatter.open(await at().gateway(limits))
    const codes: string[] = []
    for (let index = 0; index < 5; index += 1) {
      codes.push((await chatter.ask({ op: 'subscribe', channel: 'trades', symbol: `AA${index}-BB` })).code)
    }
    for (let index = 0; index < 5; index += 1) codes.push((await chatter.ask({ op: 'auth', token: 'x' })).code)
    expect(codes.slice(0, 7)).toEqual([...Array(5).fill('NOT_FOUND'), 'UNAUTHORIZED', 'UNAUTHORIZED'])
    expect(codes.slice(7)).toEqual(Array(3).fill('RATE_LIMITED'))
    chatter.socket.terminate()
  })

  it('gives an address so many connections', async () => {
    const port = await at().gateway({ BITKA_STREAMS_PER_ADDRESS: '2' })
    const held = [await Chatter.open(port), await Chatter.open(port)]
    expectRefusal(firstAnswer(await wire(port, [handshake()])), { status: 429, instance: path })
    for (const { socket } of held) socket.terminate()
    await waitFor(async () => {
      const next = await Chatter.open(port).catch(() => undefined)
      next?.socket.terminate()
      return next !== undefined
    })
  })

  it('has left nothing behind', () => at().expectUnchanged())
}
