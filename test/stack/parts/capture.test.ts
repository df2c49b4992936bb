import { type Speech, Streams } from '../capture/streams.ts'

const SERVER = 7_432
const CLIENT = 40_000
const SYN = 2
const ACK = 16

/** An IPv4 packet of a connection to our server. */
function packet(fromClient: boolean, sequence: number, payload: Buffer, flags = ACK): Buffer {
  const bytes = Buffer.alloc(40 + payload.length)
  bytes.writeUInt8(0x45, 0)
  bytes.writeUInt16BE(bytes.length, 2)
  bytes.writeUInt8(6, 9)
  bytes.writeUInt16BE(fromClient ? CLIENT : SERVER, 20)
  bytes.writeUInt16BE(fromClient ? SERVER : CLIENT, 22)
  bytes.writeUInt32BE(sequence >>> 0, 24)
  bytes.writeUInt8(0x50, 32)
  bytes.writeUInt8(flags, 33)
  payload.copy(bytes, 40)
  return bytes
}

const record = (type: number, body: Buffer): Buffer => {
  const header = Buffer.from([type, 3, 3, 0, 0])
  header.writeUInt16BE(body.length, 3)
  return Buffer.concat([header, body])
}
const hello = (type: number): Buffer => record(22, Buffer.from([type, 0, 0, 2, 9, 9]))
const secret = (text: string): Buffer => record(23, Buffer.from(text))
const none = Buffer.alloc(0)

/** What is found in a conversation: from the client and from the server, in this order. The sequence wraps on its way. */
function read(speech: Speech, client: Buffer[], server: Buffer[], begun = true) {
  const streams = new Streams(new Map([[SERVER, speech]]), new Map([['the word', Buffer.from('abracadabra')]]))
  const say = (fromClient: boolean, parts: Buffer[]): void => {
    let sequence = 0xfffffff0
    if (begun) streams.packet(packet(fromClient, sequence - 1, none, fromClient ? SYN : SYN | ACK))
    for (const part of parts) {
      streams.packet(packet(fromClient, sequence, part))
      sequence += part.length
    }
  }
  say(true, client)
  say(false, server)
  return { found: streams.findings.map(({ what }) => what), summary: streams.summary(SERVER) }
}

test('TLS 1.3 is two hellos and sealed records', () => {
  const { found, summary } = read('tls', [hello(1), secret('12'), secret('34')], [hello(2), secret('56')])
  expect(found).toEqual([])
  expect(summary).toMatchObject({ begun: 1, sent: 2, received: 1 })
  // However the records are cut, and where the beginning was not seen.
  const whole = Buffer.concat([hello(1), secret('x'.repeat(300)), secret('y')])
  expect(read('tls', [whole.subarray(0, 3), whole.subarray(3, 200), whole.subarray(200)], []).summary.sent).toBe(2)
  expect(read('tls', [Buffer.from('ends here'), secret('12')], [], false)).toMatchObject({
    found: [],
    summary: { sent: 1 },
  })
})

test('plaintext is found, at the beginning and after a handshake', () => {
  expect(read('tls', [Buffer.from('GET / HTTP/1.1')], []).found).toEqual([
    expect.stringMatching(/^client: 474554.* is no TLS record$/),
  ])
  expect(read('tls', [hello(1), Buffer.from('GET / HTTP/1.1')], []).found).toHaveLength(1)
  const openly = Array.from({ length: 70 }, () => Buffer.from('GET / HTTP/1.1'))
  expect(read('tls', openly, [], false).found).toEqual(['client: no TLS record was found'])
})

test('a handshake that shows its certificate is older than TLS 1.3', () => {
  const certificate = record(22, Buffer.from([11, 0, 0, 2, 9, 9]))
  expect(read('tls', [hello(1)], [hello(2), certificate]).found).toEqual([
    'server: a part of the handshake is not encrypted, as before TLS 1.3',
  ])
})

test('PostgreSQL is asked for TLS first', () => {
  const request = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
  expect(read('postgres', [request, hello(1), secret('1')], [Buffer.from('S'), hello(2), secret('2')]).found).toEqual(
    [],
  )
  const startup = Buffer.from([0, 0, 0, 9, 0, 3, 0, 0, 0])
  expect(read('postgres', [startup], []).found).toHaveLength(1)
  expect(read('postgres', [request], [Buffer.from('N')]).found).toHaveLength(1)
})

test('a secret is found where it is cut in two, and on a port that may speak openly', () => {
  const parts = [Buffer.from('...abraca'), Buffer.from('dabra...')]
  expect(read('plain', parts, []).found).toEqual(['shows the word'])
  expect(read('plain', [], parts).found).toEqual(['shows the word'])
})

test('segments that come twice, or in another order, are read once and in order', () => {
  const streams = new Streams(new Map([[SERVER, 'tls']]), new Map())
  const [first, second] = [hello(1), secret('12')]
  streams.packet(packet(true, 99, none, SYN))
  streams.packet(packet(true, 100 + first.length, second))
  streams.packet(packet(true, 100, first))
  streams.packet(packet(true, 100, Buffer.concat([first, second])))
  expect(streams.findings).toEqual([])
  expect(streams.summary(SERVER).sent).toBe(1)
})
