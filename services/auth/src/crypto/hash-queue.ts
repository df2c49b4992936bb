import { DomainError } from '@bitka/kernel'

export type HashQueueOptions = {
  /** How many jobs run side by side. */
  concurrency: number
  /** How many may wait in each lane; beyond it a job is refused as UNAVAILABLE. */
  maxWaiting: number
}

/** `known` is for accounts at places where they signed in before: a flood of strangers never gets in front of them. */
export type Lane = 'known' | 'stranger'

/** Runs expensive jobs a few at a time and sheds what it cannot take, so that a flood of sign-ins costs no more than this. */
export class HashQueue {
  private running = 0
  private readonly waiting: Record<Lane, (() => void)[]> = { known: [], stranger: [] }

  constructor(private readonly options: HashQueueOptions) {}

  /** Jobs that wait or run. */
  get depth(): number {
    return this.running + this.waiting.known.length + this.waiting.stranger.length
  }

  async run<T>(lane: Lane, job: () => Promise<T>): Promise<T> {
    await this.enter(lane)
    try {
      return await job()
    } finally {
      this.leave()
    }
  }

  private enter(lane: Lane): Promise<void> {
    if (this.running < this.options.concurrency) {
      this.running += 1
      return Promise.resolve()
    }
    const queue = this.waiting[lane]
    if (queue.length >= this.options.maxWaiting) {
      return Promise.reject(
        new DomainError('unavailable', 'Too many people sign in at this moment. Try again shortly.'),
      )
    }
    return new Promise((resolve) => queue.push(resolve))
  }

  /** Hands the place to the next one, so `running` stays as it is unless nobody waits. */
  private leave(): void {
    const next = this.waiting.known.shift() ?? this.waiting.stranger.shift()
    if (next) next()
    else this.running -= 1
  }
}
