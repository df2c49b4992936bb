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

/**
 * Connect says "internal" and 500 of a message that is no protobuf, as if the fault were ours. gRPC's own servers say the
 * same in their protocol, so only Connect's answer is changed.
 */
export async function blameSender(response: UniversalServerResponse): Promise<UniversalServerResponse> {
  if (response.status !== 500 || !response.body || response.header?.has('content-encoding')) return response
  const chunks: Uint8Array[] = []
  for await (const chunk of response.body) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  const { code, message } = JSON.parse(bytes.toString('utf8')) as { code?: string; message?: string }
  if (code !== 'internal' || !message?.startsWith(UNREADABLE)) return { ...response, body: one(bytes) }
  const body = Buffer.from(JSON.stringify({ code: 'invalid_argument', message: 'The message cannot be decoded.' }))
  const header = new Headers(response.header)
  header.set('content-length', String(body.length))
  return { ...response, status: 400, header, body: one(body) }
}
