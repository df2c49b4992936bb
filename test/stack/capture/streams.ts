/** What may be said on a port: TLS 1.3 from the first byte, PostgreSQL's request for it first, or anything. */
export type Speech = 'tls' | 'postgres' | 'plain'

/** What was seen on a port. */
export type PortSummary = {
  /** Connections whose beginning was seen. */
  begun: number
  /** Encrypted records, from the client and from the server. */
  sent: number
  received: number
  bytes: number
}

export type Finding = { port: number; what: string }

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
const RECORD = { changeCipherSpec: 20, alert: 21, handshake: 22, application: 23 } as const
const RECORD_BYTES_MAX = 16_384 + 256
const HEADER = 5
const CLIENT_HELLO = 1
const SERVER_HELLO = 2
/** Segments of a connection that was there before us, until one of them begins with a record. */
const SEARCHED_MAX = 64
const HELD_MAX = 512

/** One direction of one connection, put back in order and read as what it has to be. */
class Stream {
  encrypted = 0
  private next: number | undefined
  private rest: Buffer = Buffer.alloc(0)
  private searched = 0
  private preamble: number
  private readonly held = new Map<number, Buffer>()
  private state: 'search' | 'records' | 'wrong' = 'search'

  constructor(
    private readonly speech: Speech,
    private readonly fromClient: boolean,
    private readonly complain: (what: string) => void,
  ) {
    // PostgreSQL: eight bytes that ask for TLS, one that agrees.
    this.preamble = speech === 'postgres' ? (fromClient ? SSL_REQUEST.length : 1) : 0
  }

  begin(sequence: number): void {
    this.next = (sequence + 1) >>> 0
    this.state = 'records'
  }

  /** @returns what is new, in order */
  push(sequence: number, payload: Buffer): Buffer[] {
    this.next ??= sequence
    this.held.set(sequence, payload)
    if (this.held.size > HELD_MAX) this.fail('a segment is missing')
    const inOrder: Buffer[] = []
    for (;;) {
      const [found] = [...this.held].filter(([at]) => ((at - (this.next ?? 0)) | 0) <= 0)
      if (!found) return inOrder
      const [at, bytes] = found
      this.held.delete(at)
      const fresh = bytes.subarray(((this.next ?? 0) - at) >>> 0)
      if (fresh.length === 0) continue
      this.next = ((this.next ?? 0) + fresh.length) >>> 0
      inOrder.push(fresh)
      this.read(fresh)
    }
  }

  private read(bytes: Buffer): void {
    if (this.speech === 'plain' || this.state === 'wrong') return
    if (this.state === 'search') {
      if (!startsRecord(bytes)) {
        this.searched += 1
        if (this.searched > SEARCHED_MAX) this.fail('no TLS record was found')
        return
      }
      this.state = 'records'
      this.preamble = 0
    }
    this.rest = Buffer.concat([this.rest, bytes])
    if (this.preamble > 0 && !this.takePreamble()) return
    while (this.rest.length >= HEADER && this.takeRecord());
  }

  private takePreamble(): boolean {
    if (this.rest.length < this.preamble) return false
    const said = this.rest.subarray(0, this.preamble)
    const isRight = this.fromClient ? said.equals(SSL_REQUEST) : said.toString() === 'S'
    if (!isRight) {
      this.fail(`begins with ${said.toString('hex')} and not with the request for TLS`)
      return false
    }
    this.rest = this.rest.subarray(this.preamble)
    this.preamble = 0
    return true
  }

  /** Takes one record when it is there; answers whether it was. */
  private takeRecord(): boolean {
    if (!startsRecord(this.rest)) {
      this.fail(`${this.rest.subarray(0, 16).toString('hex')} is no TLS record`)
      return false
    }
    const type = this.rest[0]
    const size = this.rest.readUInt16BE(3)
    if (this.rest.length < HEADER + size) return false
    const body = this.rest.subarray(HEADER, HEADER + size)
    this.rest = this.rest.subarray(HEADER + size)
    if (type === RECORD.application) this.encrypted += 1
    // In TLS 1.3 the two hellos are all of the handshake that anybody else can read.
    if (type === RECORD.handshake && !isHello(body, this.fromClient)) {
      this.fail('a part of the handshake is not encrypted, as before TLS 1.3')
      return false
    }
    return true
  }

  private fail(what: string): void {
    if (this.state === 'wrong') return
    this.state = 'wrong'
    this.held.clear()
    this.complain(`${this.fromClient ? 'client' : 'server'}: ${what}`)
  }
}

function startsRecord(bytes: Buffer): boolean {
  const [type = 0, major, minor = 255] = bytes
  if (bytes.length < HEADER || major !== 3 || minor > 3) return false
  return type >= RECORD.changeCipherSpec && type <= RECORD.application && bytes.readUInt16BE(3) <= RECORD_BYTES_MAX
}

function isHello(body: Buffer, fromClient: boolean): boolean {
  const whole = body.length >= 4 && body.readUIntBE(1, 3) === body.length - 4
  return whole && body[0] === (fromClient ? CLIENT_HELLO : SERVER_HELLO)
}

type Connection = { client: Stream; server: Stream; speech: Speech; tails: [Buffer, Buffer] }

/** Reads captured packets as conversations, and holds those against what may be said on their ports. */
export class Streams {
  readonly findings: Finding[] = []
  private readonly connections = new Map<string, Connection>()
  private readonly summaries = new Map<number, PortSummary>()

  /** @param speechOf by the server's port @param secrets texts that nobody may read */
  constructor(
    private readonly speechOf: ReadonlyMap<number, Speech>,
    private readonly secrets: ReadonlyMap<string, Buffer>,
  ) {}

  summary(port: number): PortSummary {
    const found = this.summaries.get(port) ?? { begun: 0, sent: 0, received: 0, bytes: 0 }
    for (const [key, { client, server }] of this.connections) {
      if (Number(key.split('>')[1]) !== port) continue
      found.sent += client.encrypted
      found.received += server.encrypted
    }
    return found
  }

  /** One IP packet with TCP in it. */
  packet(ip: Buffer): void {
    const isV4 = (ip[0] ?? 0) >> 4 === 4
    const ipBytes = isV4 ? ((ip[0] ?? 0) & 15) * 4 : 40
    const end = isV4 ? ip.readUInt16BE(2) || ip.length : ip.readUInt16BE(4) + 40
    const tcp = ip.subarray(ipBytes, end)
    const [from, to, sequence] = [tcp.readUInt16BE(0), tcp.readUInt16BE(2), tcp.readUInt32BE(4)]
    const payload = tcp.subarray(((tcp[12] ?? 0) >> 4) * 4)
    const isSyn = ((tcp[13] ?? 0) & 2) !== 0
    const isAck = ((tcp[13] ?? 0) & 16) !== 0
    const fromClient = this.speechOf.has(to) || !this.speechOf.has(from)
    const port = fromClient ? to : from
    const key = fromClient ? `${from}>${to}` : `${to}>${from}`
    if (isSyn && !isAck) this.open(key, port)
    if (payload.length === 0 && !isSyn) return
    const connection = this.connections.get(key) ?? this.open(key, port)
    const stream = fromClient ? connection.client : connection.server
    if (isSyn) {
      stream.begin(sequence)
      if (!isAck) this.count(port).begun += 1
      return
    }
    this.count(port).bytes += payload.length
    for (const bytes of stream.push(sequence, payload)) this.look(connection, fromClient ? 0 : 1, bytes, port)
  }

  private count(port: number): PortSummary {
    const found = this.summaries.get(port) ?? { begun: 0, sent: 0, received: 0, bytes: 0 }
    this.summaries.set(port, found)
    return found
  }

  /** A new connection; one that had the same pair of ports has ended. */
  private open(key: string, port: number): Connection {
    const before = this.connections.get(key)
    if (before) {
      const summary = this.count(port)
      summary.sent += before.client.encrypted
      summary.received += before.server.encrypted
    }
    const speech = this.speechOf.get(port) ?? 'plain'
    const complain = (what: string): void => {
      this.findings.push({ port, what })
    }
    const connection: Connection = {
      speech,
      client: new Stream(speech, true, complain),
      server: new Stream(speech, false, complain),
      tails: [Buffer.alloc(0), Buffer.alloc(0)],
    }
    this.connections.set(key, connection)
    return connection
  }

  /** Looks for the secrets, also where one is cut by the end of a segment. */
  private look(connection: Connection, direction: 0 | 1, bytes: Buffer, port: number): void {
    const text = Buffer.concat([connection.tails[direction], bytes])
    for (const [name, secret] of this.secrets) {
      if (text.includes(secret)) this.findings.push({ port, what: `shows ${name}` })
    }
    const longest = Math.max(0, ...[...this.secrets.values()].map(({ length }) => length - 1))
    connection.tails[direction] = Buffer.from(text.subarray(Math.max(0, text.length - longest)))
  }
}
