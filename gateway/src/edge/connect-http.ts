import type { UniversalServerRequest, UniversalServerResponse } from '@connectrpc/connect/protocol'

/** Of an enveloped message: no flags, then its length. */
const ENVELOPE_BYTES = 5

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield new Uint8Array(bytes)
}

/**
 * The same request with an empty message in place of its body, for a caller who was refused: the refusal is then written in
 * the caller's own protocol, and nothing of the body is read.
 */
export function withoutBody(request: UniversalServerRequest): UniversalServerRequest {
  const type = request.header.get('content-type') ?? ''
  const message = Buffer.from(/[/+]json\b/.test(type) ? '{}' : '')
  const head = Buffer.alloc(/^application\/(?:grpc|connect\+)/.test(type) ? ENVELOPE_BYTES : 0)
  if (head.length > 0) head.writeUInt32BE(message.length, 1)
  const header = new Headers(request.header)
  for (const name of ['content-length', 'content-encoding', 'grpc-encoding', 'connect-content-encoding']) {
    header.delete(name)
  }
  return { ...request, header, body: one(Buffer.concat([head, message])) }
}

const UNREADABLE = 'parse binary: '
const BLAME = 'The message cannot be decoded.'
/** The codes of gRPC's trailers. */
const [INTERNAL, INVALID_ARGUMENT] = ['13', '3']
/** Flags of an envelope that holds trailers, in gRPC-Web and in a Connect stream. */
const [WEB_TRAILERS, CONNECT_END] = [0x80, 0x02]

/** Connect says "internal" of a message that is no protobuf, as if the fault were ours. Says whose it is in every protocol. */
export async function blameSender(response: UniversalServerResponse): Promise<UniversalServerResponse> {
  const { body, trailer, header } = response
  if (!body) return response
  const type = header?.get('content-type') ?? ''
  if (trailer) return { ...response, body: before(body, () => blameTrailer(trailer)) }
  if (type.startsWith('application/grpc-web')) return { ...response, body: rewriting(body, WEB_TRAILERS, blameText) }
  if (type.startsWith('application/connect+')) return { ...response, body: rewriting(body, CONNECT_END, blameEnd) }
  return await blameUnary(response, body)
}

type Body = NonNullable<UniversalServerResponse['body']>

/** gRPC: the trailers are written after the body. */
async function* before(body: Body, end: () => void): Body {
  yield* body
  end()
}

function blameTrailer(trailer: Headers): void {
  if (trailer.get('grpc-status') !== INTERNAL) return
  if (!decodeURIComponent(trailer.get('grpc-message') ?? '').startsWith(UNREADABLE)) return
  trailer.set('grpc-status', INVALID_ARGUMENT)
  trailer.set('grpc-message', encodeURIComponent(BLAME))
}

/** Passes envelopes on, each of which is a chunk, but for the content of one with exactly this flag. */
async function* rewriting(body: Body, flag: number, rewrite: (text: string) => string): Body {
  for await (const chunk of body) {
    if (chunk[0] !== flag) {
      yield chunk
      continue
    }
    const text = Buffer.from(rewrite(Buffer.from(chunk.subarray(ENVELOPE_BYTES)).toString('utf8')))
    const head = Buffer.alloc(ENVELOPE_BYTES)
    head.writeUInt8(flag)
    head.writeUInt32BE(text.length, 1)
    yield new Uint8Array(Buffer.concat([head, text]))
  }
}

/** gRPC-Web's trailers, a line each. */
function blameText(text: string): string {
  const lines = text.split('\r\n').filter(Boolean)
  const trailer = new Headers(lines.map((line): [string, string] => split(line)))
  blameTrailer(trailer)
  return [...trailer].map(([name, value]) => `${name}: ${value}\r\n`).join('')
}

function split(line: string): [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon), line.slice(colon + 1).trim()]
}

type ConnectFailure = { code?: string; message?: string }

const isUnreadable = ({ code, message }: ConnectFailure): boolean =>
  code === 'internal' && message?.startsWith(UNREADABLE) === true

/** The end of a Connect stream, JSON. */
function blameEnd(text: string): string {
  const { error } = JSON.parse(text) as { error?: ConnectFailure }
  return error && isUnreadable(error) ? JSON.stringify({ error: { code: 'invalid_argument', message: BLAME } }) : text
}

async function blameUnary(response: UniversalServerResponse, body: Body): Promise<UniversalServerResponse> {
  if (response.status !== 500 || response.header?.has('content-encoding')) return response
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  if (!isUnreadable(JSON.parse(bytes.toString('utf8')) as ConnectFailure)) return { ...response, body: one(bytes) }
  const blame = Buffer.from(JSON.stringify({ code: 'invalid_argument', message: BLAME }))
  const header = new Headers(response.header)
  header.set('content-length', String(blame.length))
  return { ...response, status: 400, header, body: one(blame) }
}
