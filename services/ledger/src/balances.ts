/** An account's balances after a commit. */
export type Balance = {
  accountId: string
  asset: string
  decimals: number
  available: bigint
  locked: bigint
  version: bigint
}

/**
 * Tells streams of this process what a commit has changed. Only a wake-up call: the rows are in the database, and a stream
 * reads them again from time to time, so nothing depends on a message that gets lost.
 */
export class BalanceHub {
  private readonly byUser = new Map<string, Set<BalanceFeed>>()

  /** @param tell says to the other processes whose balances have changed here; their hubs get it by `heard` */
  constructor(private readonly tell: (userIds: string[]) => void = () => {}) {}

  publish(userId: string, balance: Balance): void {
    for (const feed of this.byUser.get(userId) ?? []) feed.offer(balance)
    this.tell([userId])
  }

  /** Another process has changed balances of these users: their streams read the rows. */
  heard(userIds: readonly string[]): void {
    for (const userId of userIds) for (const feed of this.byUser.get(userId) ?? []) feed.fallBehind()
  }

  /** The changes from now on. Close it, or it stays. */
  subscribe(userId: string): BalanceFeed {
    const feeds = this.byUser.get(userId) ?? new Set()
    this.byUser.set(userId, feeds)
    const feed: BalanceFeed = new BalanceFeed(() => {
      feeds.delete(feed)
      if (feeds.size === 0) this.byUser.delete(userId)
    })
    feeds.add(feed)
    return feed
  }
}

/** What one stream has not sent yet: at most the newest state of each account, however slow its reader is. */
export class BalanceFeed {
  private readonly pending = new Map<string, Balance>()
  private behind = false
  private wake: (() => void) | undefined

  constructor(readonly close: () => void) {}

  offer(balance: Balance): void {
    const waiting = this.pending.get(balance.accountId)
    if (waiting && waiting.version >= balance.version) return
    this.pending.set(balance.accountId, balance)
    this.wake?.()
  }

  /** The rows have changed, and how is not known here. */
  fallBehind(): void {
    this.behind = true
    this.wake?.()
  }

  /** Whether the rows must be read; asking takes it back. */
  takeBehind(): boolean {
    const { behind } = this
    this.behind = false
    return behind
  }

  /** What has changed since the last call; waits for something, for `ms` at most, or until the signal. */
  async take(ms: number, signal: AbortSignal): Promise<Balance[]> {
    if (this.pending.size === 0 && !this.behind && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const finish = (): void => {
          clearTimeout(timer)
          signal.removeEventListener('abort', finish)
          this.wake = undefined
          resolve()
        }
        const timer = setTimeout(finish, ms)
        signal.addEventListener('abort', finish, { once: true })
        this.wake = finish
      })
    }
    const changes = [...this.pending.values()]
    this.pending.clear()
    return changes
  }
}
