import { DomainError } from '@bitka/kernel'

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

const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
])
// 57P01–03: the server stops or starts; 53300: too many connections; 40001, 40P01: lost a race, the next try may win it.
const SQL_STATES = new Set(['57P01', '57P02', '57P03', '53300', '40001', '40P01'])
// What `pg` says without a code when a connection breaks or none is to be had.
const LOST_CONNECTION = /connection terminated|client has encountered a connection error|timeout exceeded when trying to connect/i

/** True for failures of the surroundings (connection, restart, lost race): try again for ever, the record is not to blame. */
export function isTransient(error: unknown): boolean {
  if (error instanceof DomainError) return error.kind === 'unavailable' || error.kind === 'deadline_exceeded'
  if (!(error instanceof Error)) return false
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (NETWORK_CODES.has(code) || SQL_STATES.has(code) || /^08[0-9A-Z]{3}$/.test(code)) return true
  if (LOST_CONNECTION.test(error.message)) return true
  return error.cause !== undefined && isTransient(error.cause)
}
