import { DomainError, type ErrorKind, type Logger, newId } from '@bitka/kernel'
import type { Json, JsonRecord } from './encode.ts'

/** An error as the outside sees it, in any dialect. */
export type ErrorAnswer = {
  status: number
  code: string
  message: string
  details?: { [name: string]: Json }
  headers?: Readonly<Record<string, string>>
}

/** A refusal in the envelope. */
export const errorEnvelope = (
  { code, message, details }: ErrorAnswer,
  instance: string,
  requestId: string,
): JsonRecord => ({
  success: false,
  error: { code, message, instance, ...(details && { details }) },
  meta: { request_id: requestId },
})

/** A refusal that only the edge knows: wrong verb, too large, too many. */
export class Refusal extends Error {
  override name = 'Refusal'
  constructor(
    readonly answer: ErrorAnswer,
    readonly kind: ErrorKind,
  ) {
    super(answer.message)
  }
}

const table: Record<ErrorKind, { code: string; status: number }> = {
  invalid: { code: 'INVALID_INPUT', status: 400 },
  unauthenticated: { code: 'UNAUTHORIZED', status: 401 },
  mfa_required: { code: 'MFA_REQUIRED', status: 401 },
  forbidden: { code: 'FORBIDDEN', status: 403 },
  not_found: { code: 'NOT_FOUND', status: 404 },
  conflict: { code: 'CONFLICT', status: 409 },
  insufficient_funds: { code: 'INSUFFICIENT_FUNDS', status: 422 },
  rate_limited: { code: 'RATE_LIMITED', status: 429 },
  unavailable: { code: 'UNAVAILABLE', status: 503 },
  deadline_exceeded: { code: 'DEADLINE_EXCEEDED', status: 504 },
  internal: { code: 'INTERNAL_SERVER_ERROR', status: 500 },
}

/** Every code of the public contract with its status. */
export const errorCodes: readonly { code: string; status: number }[] = [
  ...Object.values(table),
  { code: 'METHOD_NOT_ALLOWED', status: 405 },
  { code: 'PAYLOAD_TOO_LARGE', status: 413 },
]

const plainInternal = 'Something went wrong on our side.'
/** Long enough to get over a restart, short enough to be worth waiting for. */
const RETRY_AFTER_S = '1'

/**
 * The one place where an error becomes public. What is no refusal is our bug: it goes to the log with an id, and only the
 * id goes out.
 */
export function toAnswer(error: unknown, log: Logger): ErrorAnswer {
  if (error instanceof Refusal) return error.answer
  if (!(error instanceof DomainError) || error.kind === 'internal') return internal(error, log)
  const { code, status } = table[error.kind]
  return { code, status, message: error.message, details: detailsOf(error), headers: headersOf(error) }
}

function internal(error: unknown, log: Logger): ErrorAnswer {
  const known = error instanceof DomainError ? error.details.error_id : undefined
  const errorId = known ?? newId()
  // One failure, one id: the service behind us has logged the cause under its own.
  log.error({ err: error, error_id: errorId }, 'request failed')
  return { ...table.internal, message: plainInternal, details: { error_id: errorId } }
}

function detailsOf({ kind, details }: DomainError): ErrorAnswer['details'] {
  if (kind === 'mfa_required') return { ...details, methods: (details.methods ?? '').split(',').filter(Boolean) }
  return Object.keys(details).length > 0 ? { ...details } : undefined
}

function headersOf({ kind, details }: DomainError): ErrorAnswer['headers'] {
  const asked = /^[1-9]\d{0,4}$/.test(details.retry_after ?? '') ? details.retry_after : undefined
  if (kind === 'unavailable' || kind === 'rate_limited') return { 'Retry-After': asked ?? RETRY_AFTER_S }
  if (kind === 'unauthenticated' || kind === 'mfa_required') return { 'WWW-Authenticate': 'Bearer realm="bitka"' }
  return undefined
}

/** 405 with the verbs that the address takes. */
export const methodNotAllowed = (allow: readonly string[]): Refusal =>
  new Refusal(
    {
      status: 405,
      code: 'METHOD_NOT_ALLOWED',
      message: 'This address does not take this method.',
      headers: { Allow: allow.join(', ') },
    },
    'invalid',
  )

/** 413; the rest of the body is not read, so the connection ends. */
export const payloadTooLarge = (bytes: number): Refusal =>
  new Refusal(
    {
      status: 413,
      code: 'PAYLOAD_TOO_LARGE',
      message: `The request body is larger than ${bytes} bytes.`,
      headers: { Connection: 'close' },
    },
    'invalid',
  )

/** A body that did not arrive in time. The request never began. */
export const bodyTooSlow = (): Refusal =>
  new Refusal(
    {
      status: 408,
      code: 'INVALID_INPUT',
      message: 'The request body did not arrive in time.',
      headers: { Connection: 'close' },
    },
    'invalid',
  )

/** The client left in the middle of its body. Nobody is there to read this, and nothing is wrong with us. */
export const bodyCutShort = (): Refusal =>
  new Refusal({ status: 400, code: 'INVALID_INPUT', message: 'The request body is incomplete.' }, 'invalid')
