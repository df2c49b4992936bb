/** An error as a log line has it. */
export type LoggedError = {
  type: string
  message: string
  stack?: string
  /** Of Node, PostgreSQL or gRPC. */
  code?: string | number
  /** Of a DomainError. */
  kind?: string
  cause?: unknown
  /** Of an AggregateError, whose own message says nothing. */
  errors?: unknown[]
}

const CAUSES_MAX = 5
const ERRORS_MAX = 5
const TEXT_LENGTH_MAX = 8_192

/**
 * What a log line holds of an error, by an allow-list: drivers hang whole requests, rows and metadata on theirs, which
 * refer to themselves and hold what no log may hold (PostgreSQL's `detail` quotes the row).
 */
export const serializeError = (error: unknown): unknown => serialize(error, 0)

function serialize(error: unknown, depth: number): unknown {
  if (!(error instanceof Error)) return typeof error === 'object' && error !== null ? { type: 'object' } : error
  const { name, message, stack, cause } = error
  const { code, kind, errors } = error as Error & { code?: unknown; kind?: unknown; errors?: unknown }
  const logged: LoggedError = { type: name === 'Error' ? error.constructor.name : name, message: cut(message) }
  if (stack !== undefined) logged.stack = cut(stack)
  if (typeof code === 'string' || typeof code === 'number') logged.code = code
  if (typeof kind === 'string') logged.kind = kind
  if (depth >= CAUSES_MAX) return logged
  if (cause !== undefined) logged.cause = serialize(cause, depth + 1)
  if (Array.isArray(errors)) logged.errors = errors.slice(0, ERRORS_MAX).map((one) => serialize(one, depth + 1))
  return logged
}

const cut = (text: string): string => (text.length > TEXT_LENGTH_MAX ? `${text.slice(0, TEXT_LENGTH_MAX)}…` : text)
