import { type Clock, systemClock } from '@bitka/kernel'

/** Below this size a sweep is not worth its time. */
const SWEEP_SIZE_MIN = 1024

/**
 * Sessions that ended before their access tokens did. Each is kept until the last of its tokens has expired by itself, so the
 * list holds no more than the sign-outs of one token lifetime. Something else feeds it (the topic identity.session.revoked).
 */
export class RevocationList {
  private readonly untilMsBySession = new Map<string, number>()
  private sweepAtSize = SWEEP_SIZE_MIN

  constructor(private readonly clock: Clock = systemClock) {}

  /** Refuses the session's tokens; `untilMs` is when the last of them expires. */
  revoke(sessionId: string, untilMs: number): void {
    if (untilMs <= this.clock.nowMs()) return
    this.untilMsBySession.set(sessionId, Math.max(untilMs, this.untilMsBySession.get(sessionId) ?? 0))
    if (this.untilMsBySession.size >= this.sweepAtSize) this.sweep()
  }

  isRevoked(sessionId: string): boolean {
    const untilMs = this.untilMsBySession.get(sessionId)
    if (untilMs === undefined) return false
    if (untilMs > this.clock.nowMs()) return true
    this.untilMsBySession.delete(sessionId)
    return false
  }

  get size(): number {
    return this.untilMsBySession.size
  }

  private sweep(): void {
    const nowMs = this.clock.nowMs()
    for (const [sessionId, untilMs] of this.untilMsBySession) {
      if (untilMs <= nowMs) this.untilMsBySession.delete(sessionId)
    }
    // Sweeping again only after as many again were added keeps the cost of one revocation constant.
    this.sweepAtSize = Math.max(SWEEP_SIZE_MIN, this.untilMsBySession.size * 2)
  }
}
