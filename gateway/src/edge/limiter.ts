import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

/** So many points in a window, for each key. */
export type Budget = { name: string; points: number; windowS: number }

/** What a budget looks like after a call. */
export type Consumed = { budget: Budget; allowed: boolean; remaining: number; resetMs: number }

/** Counts calls. The memory one counts for this process; a shared one takes its place when there are several gateways. */
export type Limiter = { consume(budget: Budget, key: string, points: number): Promise<Consumed> }

/** Fixed windows that begin with a key's first call. */
export class MemoryLimiter implements Limiter {
  private readonly limiters = new Map<string, RateLimiterMemory>()

  async consume(budget: Budget, key: string, points: number): Promise<Consumed> {
    const limiter = this.limiters.get(budget.name) ?? this.add(budget)
    try {
      return result(budget, true, await limiter.consume(key, points))
    } catch (refused) {
      if (!(refused instanceof RateLimiterRes)) throw refused
      return result(budget, false, refused)
    }
  }

  private add({ name, points, windowS }: Budget): RateLimiterMemory {
    const limiter = new RateLimiterMemory({ keyPrefix: name, points, duration: windowS })
    this.limiters.set(name, limiter)
    return limiter
  }
}

const result = (budget: Budget, allowed: boolean, { remainingPoints, msBeforeNext }: RateLimiterRes): Consumed => ({
  budget,
  allowed,
  remaining: remainingPoints,
  resetMs: msBeforeNext,
})
