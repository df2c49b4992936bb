/** A user's stream: what has changed since it was last read. Bounded: too much becomes "everything may have changed". */
export type Feed = {
  /** Takes the orders that changed; `all` when there were too many to name. */
  take(): { orderIds: string[]; all: boolean }
  /** Resolves at a change, after `ms`, or when the signal fires. */
  wait(ms: number, signal: AbortSignal): Promise<void>
  close(): void
}

export type Change = { orderId: string; userId: string }

const FEED_ORDERS_MAX = 1_000

/**
 * Wakes whoever waits in this process for a row to change. Only a hint: the rows are the truth, and whoever waits looks at
 * them again by itself, since another process may have changed them.
 */
export class Hub {
  private readonly waiters = new Map<string, Set<() => void>>()
  private readonly feeds = new Map<string, Set<UserFeed>>()

  /** @param tell passes what changed here on to the other processes, whose hubs get it by `heard` */
  constructor(private readonly tell: (keys: string[]) => void = () => {}) {}

  /** Orders, or what they have traded, changed. */
  ordersChanged(changes: readonly Change[]): void {
    for (const change of changes) this.orderChanged(change)
    this.tell(changes.map(({ orderId, userId }) => `${orderKey(orderId)} ${userId}`))
  }

  marketChanged(symbol: string): void {
    this.wake(marketKey(symbol))
    this.tell([marketKey(symbol)])
  }

  /** What changed in another process. */
  heard(keys: readonly string[]): void {
    for (const key of keys) {
      const [kind, name = '', userId = ''] = key.split(' ')
      if (kind === 'order') this.orderChanged({ orderId: name, userId })
      else if (kind === 'market') this.wake(marketKey(name))
    }
  }

  private orderChanged({ orderId, userId }: Change): void {
    this.wake(orderKey(orderId))
    for (const feed of this.feeds.get(userId) ?? []) feed.changed(orderId)
  }

  /** Resolves when the key is woken, after `ms`, or when the signal fires. */
  wait(key: string, ms: number, signal: AbortSignal): Promise<void> {
    const { promise, done } = napping(ms, signal)
    const waiters = this.waiters.get(key) ?? new Set()
    this.waiters.set(key, waiters.add(done))
    return promise.finally(() => {
      waiters.delete(done)
      if (waiters.size === 0) this.waiters.delete(key)
    })
  }

  feed(userId: string): Feed {
    const feed = new UserFeed(() => {
      feeds.delete(feed)
      if (feeds.size === 0) this.feeds.delete(userId)
    })
    const feeds = this.feeds.get(userId) ?? new Set()
    this.feeds.set(userId, feeds.add(feed))
    return feed
  }

  private wake(key: string): void {
    for (const done of this.waiters.get(key) ?? []) done()
  }
}

export const orderKey = (orderId: string): string => `order ${orderId}`
export const marketKey = (symbol: string): string => `market ${symbol}`

class UserFeed implements Feed {
  private orderIds = new Set<string>()
  private all = false
  private wake: (() => void) | undefined

  constructor(readonly close: () => void) {}

  changed(orderId: string): void {
    if (this.orderIds.size < FEED_ORDERS_MAX) this.orderIds.add(orderId)
    else this.all = true
    this.wake?.()
  }

  take(): { orderIds: string[]; all: boolean } {
    const taken = { orderIds: [...this.orderIds], all: this.all }
    this.orderIds = new Set()
    this.all = false
    return taken
  }

  wait(ms: number, signal: AbortSignal): Promise<void> {
    if (this.all || this.orderIds.size > 0) return Promise.resolve()
    const { promise, done } = napping(ms, signal)
    this.wake = done
    return promise
  }
}

function napping(ms: number, signal: AbortSignal): { promise: Promise<void>; done: () => void } {
  let done = (): void => {}
  const promise = new Promise<void>((resolve) => {
    const timer = setTimeout(() => done(), ms)
    done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    if (signal.aborted) done()
    else signal.addEventListener('abort', done, { once: true })
  })
  return { promise, done }
}

/** How often whoever waits looks without being woken. */
const LOOK_MS = 250

/** Looks until `look` answers something or the time is over; then answers what the last look said. */
export async function waitUntil<T>(
  hub: Hub,
  key: string,
  options: { ms: number; signal: AbortSignal },
  look: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const endMs = performance.now() + options.ms
  for (;;) {
    // Listen before looking, or a change in between would be missed.
    const leftMs = endMs - performance.now()
    const woken = hub.wait(key, Math.max(0, Math.min(LOOK_MS, leftMs)), options.signal)
    const found = await look()
    if (found !== undefined || leftMs <= 0 || options.signal.aborted) return found
    await woken
  }
}
