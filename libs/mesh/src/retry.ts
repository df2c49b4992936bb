/** Retries go on while the budget is more than half full: a service that is down is not flooded. */
const TOKENS_MAX = 10
/** A success pays back this much of a failure. */
const SUCCESS_TOKENS = 0.1
const ATTEMPTS_MAX = 3
const PAUSE_MS_MIN = 50

/** How many retries one client may still make; the same rule as gRPC's own retry throttling. */
export class RetryBudget {
  private tokens = TOKENS_MAX

  succeeded(): void {
    this.tokens = Math.min(TOKENS_MAX, this.tokens + SUCCESS_TOKENS)
  }

  /** True when a call that failed may be tried again. */
  failed(attempt: number): boolean {
    this.tokens = Math.max(0, this.tokens - 1)
    return attempt < ATTEMPTS_MAX && this.tokens > TOKENS_MAX / 2
  }
}

/** Full jitter: a random pause below a limit that doubles. */
export const retryPauseMs = (attempt: number): number => Math.random() * PAUSE_MS_MIN * 2 ** attempt
