import type { Json } from './types/common.ts'

/** The codes of the public contract, and what only a client can know. */
export type ErrorCode =
  | 'INVALID_INPUT'
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'MFA_REQUIRED'
  | 'NOT_FOUND'
  | 'CONFLICT'
  | 'INSUFFICIENT_FUNDS'
  | 'METHOD_NOT_ALLOWED'
  | 'PAYLOAD_TOO_LARGE'
  | 'RATE_LIMITED'
  | 'INTERNAL_SERVER_ERROR'
  | 'UNAVAILABLE'
  | 'DEADLINE_EXCEEDED'
  /** No answer came: the outcome is unknown. */
  | 'CONNECTION_FAILED'
  /** Something between us and the exchange answered in its own words. */
  | 'UNEXPECTED_ANSWER'

/** A call that did not succeed. `message` is a sentence for people; `code` and `details` are for programs. */
export class BitkaApiError extends Error {
  override name = 'BitkaApiError'
  readonly code: ErrorCode
  /** The HTTP status; 0 when no answer came, or when the error came over the WebSocket. */
  readonly status: number
  /** For INVALID_INPUT: path of the field → reason. */
  readonly details: Readonly<Record<string, Json>>
  readonly requestId: string | undefined
  /** How long the server asked us to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined

  constructor(
    facts: {
      code: ErrorCode
      status?: number
      message: string
      details?: Record<string, Json>
      requestId?: string
      retryAfterMs?: number
    },
    options: { cause?: unknown } = {},
  ) {
    super(facts.message, options)
    this.code = facts.code
    this.status = facts.status ?? 0
    this.details = facts.details ?? {}
    this.requestId = facts.requestId
    this.retryAfterMs = facts.retryAfterMs
  }
}
