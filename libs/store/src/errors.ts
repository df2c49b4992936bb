import { types } from 'node:util'
import { DomainError } from '@bitka/kernel'

/** What PostgreSQL and Node put on their errors. */
type CodedError = Error & { code?: unknown; constraint?: unknown; errors?: unknown }

// Not instanceof: under jest, Node's own errors come from another realm.
const isError = (error: unknown): error is CodedError => types.isNativeError(error)

const INTEGRITY = new Set(['23000', '23001', '23502', '23503', '23505', '23514', '23P01'])

/** SQLSTATEs that mean: not now, and nothing was done. Class 08 (connection) is matched by its first two digits. */
const UNAVAILABLE = new Set([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '53300', // too_many_connections
  '55P03', // lock_not_available: lock_timeout
  '57014', // query_canceled: statement_timeout
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
])

const SOCKET = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
])

/** pg has no code for these. */
const LOST =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed)/

/** The error at the end of the chain of causes: what pg or Node threw. */
export function rootCause(error: unknown): unknown {
  let root = error
  for (let depth = 0; depth < 10 && isError(root) && root.cause !== undefined; depth += 1) root = root.cause
  return root
}

/** True for a violation of the constraint (unique, check, foreign key, exclusion) or unique index of that name. */
export function breaks(error: unknown, constraint: string): boolean {
  const root = rootCause(error)
  if (!isError(root)) return false
  const { code, constraint: broken } = root
  return broken === constraint && typeof code === 'string' && INTEGRITY.has(code)
}

/** True when the database cannot be reached or would not do the work now. */
function isUnavailable(error: unknown): boolean {
  if (!isError(error)) return false
  const { code, errors } = error
  // Node's, when each of a host's addresses failed.
  if (Array.isArray(errors) && errors.some(isUnavailable)) return true
  if (typeof code !== 'string') return LOST.test(error.message)
  return UNAVAILABLE.has(code) || SOCKET.has(code) || (code.length === 5 && code.startsWith('08'))
}

/**
 * Turns a lost connection, a timeout, a deadlock or a serialization failure into DomainError('unavailable'); gives every
 * other error back as it is.
 */
export function asDomainError(error: unknown): unknown {
  if (error instanceof DomainError || !isUnavailable(rootCause(error))) return error
  return new DomainError('unavailable', 'The database is not available. Try again shortly.', {}, { cause: error })
}
