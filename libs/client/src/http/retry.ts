import type { BitkaApiError } from '../errors.ts'

export type RetryOptions = {
  /** Tries of one call, the first one included. Default 5. */
  attemptsMax?: number
  /** The upper bound of the first pause; it doubles with each try. Default 200 ms. */
  baseMs?: number
  /** The largest upper bound of a pause. Default 5 s. */
  capMs?: number
  /** Retries that the client has in reserve; ten successes earn one back. Default 30. */
  budget?: number
}

/** How safe it is to send a call again: always, or only when it never began. */
export type Repeatable = 'always' | 'if-not-begun'

const EARNED_BY_SUCCESS = 0.1

/** Pauses are random between zero and a bound that doubles (full jitter), so that clients do not come back all at once. */
export const fullJitterMs = (attempt: number, baseMs: number, capMs: number, random: () => number): number =>
  random() * Math.min(capMs, baseMs * 2 ** (attempt - 1))

/**
 * Decides whether and when a call is sent again. The budget is shared by all calls of a client: when most calls fail,
 * retries dry up and do not keep a struggling server down.
 */
export class RetryPolicy {
  private readonly attemptsMax: number
  private readonly baseMs: number
  private readonly capMs: number
  private readonly budgetMax: number
  private budget: number

  constructor(
    options: RetryOptions,
    private readonly random: () => number,
  ) {
    this.attemptsMax = options.attemptsMax ?? 5
    this.baseMs = options.baseMs ?? 200
    this.capMs = options.capMs ?? 5_000
    this.budgetMax = options.budget ?? 30
    this.budget = this.budgetMax
  }

  succeeded(): void {
    this.budget = Math.min(this.budgetMax, this.budget + EARNED_BY_SUCCESS)
  }

  /** How long to wait before the next try; undefined when there is to be none. Spends from the budget. */
  next(error: BitkaApiError, repeatable: Repeatable, attempt: number, remainingMs: number): number | undefined {
    if (attempt >= this.attemptsMax || this.budget < 1 || !isPassing(error, repeatable)) return undefined
    const jitterMs = fullJitterMs(attempt, this.baseMs, this.capMs, this.random)
    const pauseMs = (error.retryAfterMs ?? 0) + jitterMs
    if (pauseMs >= remainingMs) return undefined
    this.budget -= 1
    return pauseMs
  }
}

/** Whether the same call may succeed later. A 429 is refused before anything begins, so it may always be repeated. */
function isPassing({ code, status }: BitkaApiError, repeatable: Repeatable): boolean {
  if (code === 'RATE_LIMITED' || status === 429) return true
  return repeatable === 'always' && (code === 'CONNECTION_FAILED' || status >= 500)
}
