import type { Clock } from '@bitka/kernel'
import type { UserIdentity } from '@bitka/mesh'

const CHECK_MS = 500

/** Tells when a token stops being good while a stream lives on it: expired, or its session ended. */
export class SessionWatch {
  private readonly watched = new Map<object, { user: UserIdentity; onEnd: () => void }>()
  private readonly timer: NodeJS.Timeout

  constructor(
    private readonly isRevoked: (user: UserIdentity) => boolean,
    private readonly clock: Clock,
  ) {
    this.timer = setInterval(() => this.check(), CHECK_MS)
    this.timer.unref()
  }

  /** Calls once when the token ends; answers how to stop watching. */
  watch(user: UserIdentity, onEnd: () => void): () => void {
    const key = {}
    this.watched.set(key, { user, onEnd })
    return () => this.watched.delete(key)
  }

  stop(): void {
    clearInterval(this.timer)
    this.watched.clear()
  }

  private check(): void {
    const nowMs = this.clock.nowMs()
    for (const [key, { user, onEnd }] of this.watched) {
      if (user.expiresAtMs > nowMs && !this.isRevoked(user)) continue
      this.watched.delete(key)
      onEnd()
    }
  }
}
