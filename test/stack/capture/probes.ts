import { connect, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'

/** What came of a connection: what it said, and how it ended. */
export type Outcome = { said: Buffer; ended: boolean; error?: string }

/** For a connection to come about, and for a peer that refuses to end it. Only a failing test waits so long. */
const PATIENCE_MS = 30_000

/** When somebody has listened for long enough; otherwise the end of the connection is waited for. */
export type Listening = {
  /** What was said is enough. */
  until?: (said: Buffer) => boolean
  /** So long after the connection came about. */
  forMs?: number
}

/** What a client of each kind says first. */
export const greetings = {
  http: Buffer.from('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'),
  http2: Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from('000000040000000000', 'hex')]),
  // ApiVersions, version 0, correlation 1, no client id.
  kafka: Buffer.from('0000000a00120000000000010000', 'hex'),
  // A startup packet of protocol 3.0 for the user "bitka", without asking for TLS.
  postgres: startup({ user: 'bitka', database: 'bitka' }),
} as const

function startup(parameters: Record<string, string>): Buffer {
  const text = Object.entries(parameters)
    .map(([name, value]) => `${name}\0${value}\0`)
    .join('')
  const body = Buffer.concat([Buffer.from([0, 3, 0, 0]), Buffer.from(`${text}\0`)])
  const size = Buffer.alloc(4)
  size.writeUInt32BE(body.length + 4)
  return Buffer.concat([size, body])
}

/** Gathers what a connection says until it ends, or until it was listened to for long enough. */
function listen(socket: Socket, event: 'connect' | 'secureConnect', { until, forMs }: Listening): Promise<Outcome> {
  return new Promise((resolve) => {
    let said: Buffer = Buffer.alloc(0)
    let error: string | undefined
    const done = (ended: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ said, ended, ...(error !== undefined && { error }) })
    }
    let timer = setTimeout(() => done(false), PATIENCE_MS)
    socket.once(event, () => {
      if (forMs === undefined) return
      clearTimeout(timer)
      timer = setTimeout(() => done(false), forMs)
    })
    socket.on('data', (chunk: Buffer) => {
      said = Buffer.concat([said, chunk])
      if (until?.(said)) done(false)
    })
    socket.on('error', (reason: NodeJS.ErrnoException) => {
      error = reason.code ?? reason.message
    })
    socket.once('end', () => done(true))
    socket.once('close', () => done(true))
  })
}

/** Speaks plaintext to a port. */
export function plaintext(port: number, greeting: Buffer, listening: Listening = {}): Promise<Outcome> {
  const socket = connect(port, '127.0.0.1', () => socket.write(greeting))
  return listen(socket, 'connect', listening)
}

/** Speaks TLS to a port, trusting whatever it shows. Data and end are what came after the handshake. */
export async function encrypted(
  port: number,
  greeting: Buffer,
  { until, forMs, ...options }: ConnectionOptions & Listening = {},
): Promise<Outcome & { protocol?: string | null }> {
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    minVersion: 'TLSv1.3',
    rejectUnauthorized: false,
    ...options,
  })
  let protocol: string | null = null
  socket.once('secureConnect', () => {
    protocol = socket.getProtocol()
    socket.write(greeting)
  })
  return { ...(await listen(socket, 'secureConnect', { until, forMs })), protocol }
}

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

/** Asks a PostgreSQL for TLS; answers the connection on which the handshake follows, and what was answered. */
export function postgresTls(port: number): Promise<{ answer: string; socket: Socket }> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(SSL_REQUEST))
    socket.once('error', reject)
    socket.once('data', (chunk: Buffer) => resolve({ answer: chunk.toString(), socket }))
  })
}
