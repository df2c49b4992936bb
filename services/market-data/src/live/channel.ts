import { DomainError } from '@bitka/kernel'

export type ChannelOptions<T> = {
  /** The most items that wait for one reader; one more ends its stream. */
  capacity: number
  /** Joins an item with the one that waits before it, where the reader needs only what comes of both. */
  merge?: (waiting: T, next: T) => T | undefined
}

/** Hands what happens to whoever reads it now. A reader that falls behind is ended, so that it costs no memory. */
export class Channel<T> {
  private readonly subscriptions = new Set<Subscription<T>>()

  constructor(private readonly options: ChannelOptions<T>) {}

  /** How many read. */
  get size(): number {
    return this.subscriptions.size
  }

  /** Everything that is published from now on, until the signal fires. */
  subscribe(signal: AbortSignal): Subscription<T> {
    const subscription = new Subscription<T>(this.options, signal, () => this.subscriptions.delete(subscription))
    if (!signal.aborted) this.subscriptions.add(subscription)
    return subscription
  }

  publish(item: T): void {
    for (const subscription of this.subscriptions) subscription.push(item)
  }

  /** Ends every stream with an error. */
  fail(error: Error): void {
    for (const subscription of this.subscriptions) subscription.end(error)
  }
}

type Waiter<T> = { resolve: (result: IteratorResult<T>) => void; reject: (error: Error) => void }

/** One reader's queue. Iterate it once. */
export class Subscription<T> implements AsyncIterable<T> {
  private queue: T[] = []
  private waiter: Waiter<T> | undefined
  private ended = false
  private error: Error | undefined

  constructor(
    private readonly options: ChannelOptions<T>,
    private readonly signal: AbortSignal,
    private readonly onEnd: () => void,
  ) {
    if (signal.aborted) this.ended = true
    else signal.addEventListener('abort', this.close, { once: true })
  }

  readonly close = (): void => this.end()

  push(item: T): void {
    if (this.ended) return
    if (this.waiter) {
      this.waiter.resolve({ done: false, value: item })
      this.waiter = undefined
      return
    }
    const last = this.queue.at(-1)
    const merged = last === undefined ? undefined : this.options.merge?.(last, item)
    if (merged !== undefined) this.queue[this.queue.length - 1] = merged
    else if (this.queue.length < this.options.capacity) this.queue.push(item)
    else this.end(new DomainError('unavailable', 'The reader of this stream fell behind: open it again.'))
  }

  /** Ends it at once; what was waiting is dropped. With an error the reader gets that. */
  end(error?: Error): void {
    if (this.ended) return
    this.ended = true
    this.error = error
    this.queue = []
    this.signal.removeEventListener('abort', this.close)
    this.onEnd()
    if (error) this.waiter?.reject(error)
    else this.waiter?.resolve({ done: true, value: undefined })
    this.waiter = undefined
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return {
      next: () => this.next(),
      return: async () => {
        this.close()
        return { done: true, value: undefined }
      },
    }
  }

  private next(): Promise<IteratorResult<T>> {
    const value = this.queue.shift()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    if (this.error) return Promise.reject(this.error)
    if (this.ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => {
      this.waiter = { resolve, reject }
    })
  }
}
