import { DomainError } from './errors.ts'

export type GatherOptions<I, O> = {
  /** How long the first item of a batch waits for company, in milliseconds. */
  windowMs: number
  /** The most items in one batch. */
  maxItems: number
  /** The most items waiting; beyond it `add` answers UNAVAILABLE instead of growing. */
  maxQueue: number
  /** How many batches may run side by side; 1 keeps batches in order. */
  concurrency?: number
  /** Does the work of one batch; answers one result an item, in order. A rejected promise fails every item of the batch. */
  run: (items: I[]) => Promise<O[]>
}

type Waiting<I, O> = { item: I; resolve: (value: O) => void; reject: (error: unknown) => void }

/**
 * Gathers concurrent requests into batches, so that a hundred of them share one round trip and one commit. While a batch
 * runs the next one fills, so under load the window adds no waiting.
 */
export class Gatherer<I, O> {
  private queue: Waiting<I, O>[] = []
  private running = 0
  private timer: NodeJS.Timeout | undefined
  private idle: (() => void)[] = []

  constructor(private readonly options: GatherOptions<I, O>) {}

  /** Items waiting for a batch. */
  get depth(): number {
    return this.queue.length
  }

  add(item: I): Promise<O> {
    if (this.queue.length >= this.options.maxQueue) {
      return Promise.reject(new DomainError('unavailable', 'The service is busy. Try again shortly.'))
    }
    return new Promise((resolve, reject) => {
      this.queue.push({ item, resolve, reject })
      this.schedule()
    })
  }

  /** Resolves when nothing waits and nothing runs. */
  drain(): Promise<void> {
    if (this.queue.length === 0 && this.running === 0) return Promise.resolve()
    return new Promise((resolve) => this.idle.push(resolve))
  }

  private schedule(): void {
    if (this.running >= (this.options.concurrency ?? 1)) return
    if (this.queue.length >= this.options.maxItems) this.start()
    else this.timer ??= setTimeout(() => this.start(), this.options.windowMs)
  }

  private start(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    if (this.queue.length === 0 || this.running >= (this.options.concurrency ?? 1)) return
    const batch = this.queue.splice(0, this.options.maxItems)
    this.running += 1
    void this.runBatch(batch).finally(() => {
      this.running -= 1
      // What arrived meanwhile has already waited: start it now.
      if (this.queue.length > 0) this.start()
      else if (this.running === 0) for (const resolve of this.idle.splice(0)) resolve()
    })
    if (this.queue.length > 0) this.schedule()
  }

  private async runBatch(batch: Waiting<I, O>[]): Promise<void> {
    try {
      const results = await this.options.run(batch.map(({ item }) => item))
      if (results.length !== batch.length) throw new Error('a batch answered with another number of results')
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as O)
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }
}
