/** Where time comes from: passed in, so that a test can hold or move it. */
export type Clock = { now(): Date; nowMs(): number }

export const systemClock: Clock = { now: () => new Date(), nowMs: () => Date.now() }

/** A clock that stands until it is moved. */
export class ManualClock implements Clock {
  constructor(private ms = Date.UTC(2026, 0, 1)) {}
  now(): Date {
    return new Date(this.ms)
  }
  nowMs(): number {
    return this.ms
  }
  advance(ms: number): void {
    this.ms += ms
  }
}
