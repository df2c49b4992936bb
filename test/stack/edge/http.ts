import { once } from 'node:events'
import { connect as connectH2, type IncomingHttpHeaders } from 'node:http2'
import { request } from 'node:https'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { TestEdge } from '@bitka/deploy/envoy'
import { ensureEnvoy, stackHome } from '@bitka/deploy/native'

/** Envoy's binary, as the native stack has it. */
export const envoyBinary = (): Promise<string> => ensureEnvoy(stackHome())

export type Reply = {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into bodies that it has no type for
  json: any
}

export type Ask = {
  method?: string
  headers?: Record<string, string | string[]>
  body?: string | Buffer
  port?: number
  /** The address that it comes from, of 127/8. */
  from?: string
  tls?: ConnectionOptions
}

const replyOf = (status: number, headers: Reply['headers'], text: string): Reply => ({
  status,
  headers,
  text,
  get json() {
    return JSON.parse(text)
  },
})

/** One request over HTTP/1.1 on a connection of its own. */
export function ask(edge: TestEdge, path: string, options: Ask = {}): Promise<Reply> {
  const { method = 'GET', headers = {}, body, port = edge.ports.public, from, tls } = options
  return new Promise((resolve, reject) => {
    const req = request(
      {
        host: 'localhost',
        port,
        path,
        method,
        headers,
        agent: false,
        ca: edge.roots,
        localAddress: from,
        family: 4,
        ...tls,
      },
      (res) => {
        const parts: Buffer[] = []
        res.on('data', (part: Buffer) => parts.push(part))
        res.once('end', () => resolve(replyOf(res.statusCode ?? 0, res.headers, Buffer.concat(parts).toString())))
        res.once('error', reject)
      },
    )
    // An answer may come, and the connection end, before all of a body was sent.
    let answered = false
    req.once('response', () => (answered = true))
    req.on('error', (error) => answered || reject(error))
    req.end(body)
  })
}

/** One request over HTTP/2 on a connection of its own. */
export async function askH2(edge: TestEdge, path: string, options: Ask = {}): Promise<Reply> {
  const { method = 'GET', headers = {}, body, port = edge.ports.public, tls } = options
  const session = connectH2(`https://localhost:${port}`, { ca: edge.roots, ...tls })
  try {
    return await new Promise((resolve, reject) => {
      session.once('error', reject)
      const stream = session.request(
        { ':method': method, ':path': path, ...headers },
        { endStream: body === undefined },
      )
      let head: IncomingHttpHeaders & { ':status'?: number } = {}
      const parts: Buffer[] = []
      stream.once('response', (answer) => (head = answer))
      stream.on('data', (part: Buffer) => parts.push(part))
      stream.once('end', () => resolve(replyOf(head[':status'] ?? 0, head, Buffer.concat(parts).toString())))
      stream.once('error', reject)
      if (body !== undefined) stream.end(body)
    })
  } finally {
    session.destroy()
  }
}

/** A TLS connection to the public listener, and what came back on it. */
export async function talk(
  edge: TestEdge,
  options: ConnectionOptions & { port?: number } = {},
): Promise<{ socket: TLSSocket; said(): string; ended: Promise<void> }> {
  const { port = edge.ports.public } = options
  const socket = connect({ host: 'localhost', servername: 'localhost', ca: edge.roots, ...options, port })
  let said = ''
  socket.setEncoding('utf8').on('data', (text) => (said += text))
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return { socket, said: () => said, ended }
}

/** Why a connection was refused, at the handshake or after it. */
export function refusal(edge: TestEdge, port: number, options: ConnectionOptions): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: 'localhost', servername: 'localhost', ca: edge.roots, ...options, port })
    // A client's side of TLS 1.3 is done before the server looks at its certificate: ask something, and see what comes.
    socket.once('secureConnect', () =>
      socket.write('GET /v1/time HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
    )
    socket.once('data', (data) => resolve(String(data)))
    socket.once('error', ({ message }) => resolve(message))
    socket.once('close', () => resolve('closed'))
  })
}
