import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

// biome-ignore lint/suspicious/noExplicitAny: a test looks into answers that it has no type for
export type Json = any
export type RawAnswer = { status: number; headers: IncomingHttpHeaders; text: string; body: Json; path: string }

export type RawRequest = {
  /** Goes out as it is: fetch would tidy it up. */
  path: string
  method?: string
  token?: string
  key?: string
  headers?: Record<string, string | string[]>
  /** An object becomes JSON; a text or bytes go as they are. */
  body?: object | string | Buffer
}

/** How often a busy exchange is asked again. */
const TRIES = 20

/** One request, byte for byte as a test wants it. What a busy exchange pushes back is sent again. */
export async function send(port: number, one: RawRequest): Promise<RawAnswer> {
  for (let left = TRIES; ; left -= 1) {
    const answer = await once(port, one)
    if (answer.status !== 503 || left === 0 || answer.headers['retry-after'] === undefined) return answer
    await pause(500)
  }
}

const bytesOf = (body: RawRequest['body']): string | Buffer | undefined =>
  body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)

function once(port: number, { path, method = 'GET', token, key, headers, body }: RawRequest): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const bytes = bytesOf(body)
    const all = {
      ...(bytes !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(bytes) }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(key !== undefined && { 'idempotency-key': key }),
      ...headers,
    }
    const req = request({ host: '127.0.0.1', port, path, method, headers: all, agent: false }, (res) => {
      const chunks: Buffer[] = []
      res.on('data', (chunk: Buffer) => chunks.push(chunk))
      res.on('error', reject)
      res.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        const [asked = ''] = path.split('?')
        resolve({ status: res.statusCode ?? 0, headers: res.headers, text, body: parse(text), path: asked })
      })
    })
    req.on('error', reject)
    req.end(bytes)
  })
}

export function parse(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What came back over one connection, and whether the server closed it within the time. */
export type Wire = { text: string; closed: boolean; tookMs: number }

/** Sends pieces over one socket, with a pause before each that is a number, and collects what comes back. */
export async function wire(port: number, pieces: readonly (string | Buffer | number)[], waitMs = 5_000): Promise<Wire> {
  const startedMs = performance.now()
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  const closed = new Promise<boolean>((resolve) => {
    socket.once('close', () => resolve(true))
    setTimeout(() => resolve(false), waitMs).unref()
  })
  for (const piece of pieces) {
    if (typeof piece === 'number') await pause(piece)
    else if (!socket.destroyed) socket.write(piece)
  }
  const wasClosed = await closed
  socket.destroy()
  return { text, closed: wasClosed, tookMs: performance.now() - startedMs }
}

/** The head and JSON body of the first answer on a wire. */
export function firstAnswer({ text }: Wire): RawAnswer {
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const [line = '', ...lines] = head.split('\r\n')
  const headers = Object.fromEntries(
    lines.map((header) => {
      const colon = header.indexOf(':')
      return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()]
    }),
  )
  const body = rest.join('\r\n\r\n').slice(0, Number(headers['content-length'] ?? Number.POSITIVE_INFINITY))
  return { status: Number(line.split(' ')[1]), headers, text: body, body: parse(body), path: '' }
}
