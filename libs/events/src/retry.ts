import { DomainError } from '@bitka/kernel'
import { asDomainError, rootCause } from '@bitka/store'

/** Exponential backoff with full jitter: a random wait between 0 and min(maxMs, baseMs × 2^(attempt − 1)). */
export type RetryPolicy = {
  /** Attempts in all, the first one included. */
  attempts: number
  baseMs: number
  maxMs: number
}

/** Six attempts over about half a minute. */
export const defaultRetry: RetryPolicy = { attempts: 6, baseMs: 751, maxMs: 30_000 }

/** The wait after the `attempt`-th failure (1 = the first). `random` is in [0, 1). */
export function backoffMs(policy: RetryPolicy, attempt: number, random: () => number = Math.random): number {
  // 2^30 already exceeds any cap; more would overflow to Infinity, and Infinity × 0 is NaN.
  const ceiling = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(attempt - 1, 30))
  return Math.floor(random() * ceiling)
}

/** Waits, or returns early when the signal aborts. Never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const timer = setTimeout(finish, ms)
    signal?.addEventListener('abort', finish, { once: true })
  })
}

/** PostgreSQL ended a statement or a transaction because it took too long. */
const TOO_LONG = new Set<unknown>([
  '57014', // query_canceled: statement_timeout
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
])

/** True when less work in one transaction may get through where this much did not. */
export function tookTooLong(error: unknown): boolean {
  const cause = rootCause(error)
  return typeof cause === 'object' && cause !== null && 'code' in cause && TOO_LONG.has(cause.code)
}

/** True for failures of the surroundings (connection, restart, lost race): try again for ever, the record is not to blame. */
export function isTransient(error: unknown): boolean {
  const known = asDomainError(error)
  return known instanceof DomainError && (known.kind === 'unavailable' || known.kind === 'deadline_exceeded')
}
