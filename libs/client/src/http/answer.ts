import { BitkaApiError, type ErrorCode } from '../errors.ts'
import type { Json } from '../types/common.ts'

type Envelope = {
  success?: boolean
  data?: unknown
  error?: { code?: string; message?: string; details?: Record<string, Json> }
  meta?: { request_id?: string }
}

/** Takes the data out of an answer. @throws BitkaApiError for anything but a success */
export async function readAnswer<T>(
  response: Response,
  { bare, accept = [] }: { bare?: boolean; accept?: readonly number[] },
): Promise<T> {
  const text = await response.text()
  const body = parse(text)
  if (bare && body !== undefined && (response.ok || accept.includes(response.status))) return body as T
  const envelope = (typeof body === 'object' && body !== null ? body : {}) as Envelope
  if (response.ok && envelope.success === true) return (envelope.data ?? null) as T
  throw refusal(response, envelope)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refusal(response: Response, { error, meta }: Envelope): BitkaApiError {
  const { status, headers } = response
  const known = error?.code !== undefined && error.message !== undefined
  return new BitkaApiError({
    code: known ? (error.code as ErrorCode) : 'UNEXPECTED_ANSWER',
    status,
    message: known && error.message !== undefined ? error.message : `The answer was ${status} without an explanation.`,
    details: error?.details,
    requestId: meta?.request_id ?? headers.get('x-request-id') ?? undefined,
    retryAfterMs: retryAfterMs(headers.get('retry-after')),
  })
}

/** Seconds or an HTTP date (RFC 9110). */
function retryAfterMs(value: string | null): number | undefined {
  if (value === null) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}
