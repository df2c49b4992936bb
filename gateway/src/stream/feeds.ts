import { DomainError, type Logger } from '@bitka/kernel'
import { Feed, type Listener, type MarketData, type Topic, topicKey } from './feed.ts'

const SYMBOL = /^[A-Z0-9]{2,10}-[A-Z0-9]{2,10}$/
const SYMBOL_CHECK_MS = 3_000

/** All feeds that somebody listens to: one stream upstream for each topic, however many readers. */
export class Feeds {
  private readonly feeds = new Map<string, Feed>()
  /** Markets never go away, so a symbol once seen stays good. */
  private readonly symbols = new Set<string>()

  constructor(
    private readonly marketData: () => MarketData,
    private readonly log: Logger,
  ) {}

  knows(symbol: string): boolean {
    return this.symbols.has(symbol)
  }

  /** Asks market data about a symbol that is not known yet. @throws DomainError not_found for one that is no market */
  async checkSymbol(symbol: string): Promise<void> {
    if (!SYMBOL.test(symbol)) throw new DomainError('not_found', 'There is no such market.')
    await this.marketData().getOrderBook({ symbol, depth: 1 }, { deadlineMs: SYMBOL_CHECK_MS })
    this.symbols.add(symbol)
  }

  /** Joins a topic whose symbol was checked; answers how to leave it. */
  join(topic: Topic, listener: Listener): () => void {
    const key = topicKey(topic)
    const feed = this.feeds.get(key) ?? this.open(key, topic)
    return feed.join(listener)
  }

  /** Shows a reader the state again. */
  resync(topic: Topic, listener: Listener): void {
    this.feeds.get(topicKey(topic))?.resync(listener)
  }

  stop(): void {
    for (const feed of this.feeds.values()) feed.stop()
    this.feeds.clear()
  }

  private open(key: string, topic: Topic): Feed {
    const feed = new Feed(topic, this.marketData(), this.log, () => {
      feed.stop()
      this.feeds.delete(key)
    })
    this.feeds.set(key, feed)
    return feed
  }
}
