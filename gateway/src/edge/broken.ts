import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { newId } from '@bitka/kernel'
import { type ErrorAnswer, errorEnvelope } from '../rest/errors.ts'
import { commonHeaders, type HeaderOptions } from './headers.ts'

/** Which request an answer belongs to, as far as it could be read. */
type Place = { instance: string; requestId: string; origin?: string }

/** Writes a whole refusal where there is no response object: to a broken request, or to an upgrade. */
export function refuseOnSocket(socket: Duplex, answer: ErrorAnswer, place: Place, options: HeaderOptions): void {
  const { status, headers } = answer
  const body = JSON.stringify(errorEnvelope(answer, place.instance, place.requestId))
  const lines = Object.entries({
    ...commonHeaders(place.origin, options),
    ...headers,
    Connection: 'close',
    'Cache-Control': 'no-store',
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    'X-Request-Id': place.requestId,
  }).map(([name, value]) => `${name}: ${value}`)
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('\r\n')}\r\n\r\n${body}`)
}

const reasons: Readonly<Record<string, { status: number; message: string }>> = {
  HPE_HEADER_OVERFLOW: { status: 431, message: 'The head of the request is too large.' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, message: 'The request did not arrive in time.' },
}

/** Answers what Node could not read as a request, so that a client with a bug sees why. */
export function refuseBroken(error: Error & { code?: string }, socket: Duplex, options: HeaderOptions): void {
  // An answer that has begun must not get another one into its middle. Node itself looks at the same property.
  const { _httpMessage: current } = socket as Duplex & { _httpMessage?: ServerResponse | null }
  if (!socket.writable || error.code === 'ECONNRESET' || current?.headersSent) {
    socket.destroy()
    return
  }
  const reason = reasons[error.code ?? ''] ?? { status: 400, message: 'This is not a valid HTTP request.' }
  refuseOnSocket(socket, { code: 'INVALID_INPUT', ...reason }, { instance: '', requestId: newId() }, options)
}
