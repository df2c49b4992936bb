/** A bucket that refills steadily: so many a second on average, three times as many at once. */
export class MessageRate {
  private tokens: number
  private refilledMs = performance.now()
  private refused = 0

  constructor(private readonly perSecond: number) {
    this.tokens = perSecond * 3
  }

  /** Whether one more message is allowed now. */
  take(): boolean {
    const nowMs = performance.now()
    this.tokens = Math.min(this.perSecond * 3, this.tokens + ((nowMs - this.refilledMs) / 1000) * this.perSecond)
    this.refilledMs = nowMs
    if (this.tokens < 1) {
      this.refused += 1
      return false
    }
    this.tokens -= 1
    this.refused = 0
    return true
  }

  /** Refused again and again without a pause: a flood, not a burst. */
  get flooding(): boolean {
    return this.refused > this.perSecond * 5
  }
}
