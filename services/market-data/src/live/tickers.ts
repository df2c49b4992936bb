import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '@bitka/kernel'
import type { Db } from '@bitka/store'
import { summarize, windowAt } from '../domain/ticker.ts'
import { readWindow } from '../store/ticker.ts'
import type { LiveMarkets } from './live-markets.ts'
import type { MarketView, TickerEvent } from './market-view.ts'

/** The least time between two tickers of a market, in milliseconds: faster than anybody reads. */
const PAUSE_MS = 100
/** Without any change the window still moves on. */
const SLIDE_MS = 1_000

/** Computes the tickers that somebody follows, once for all who do. */
export class Tickers {
  private readonly shown = new WeakMap<MarketView, { text: string; computedMs: number }>()

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly markets: LiveMarkets,
  ) {}

  /** The ticker as it is now. */
  async compute(view: MarketView): Promise<TickerEvent> {
    const timeMs = this.clock.nowMs()
    const { before, bars } = await readWindow(this.db, view.market.symbol, windowAt(timeMs))
    const { bestBid: bid, bestAsk: ask } = view.book
    return { summary: summarize(before, bars), bid, ask, timeMs }
  }

  /** One round of the loop: publishes every followed ticker that has changed. */
  async run(signal: AbortSignal): Promise<void> {
    let published = false
    for (const view of this.markets.list()) {
      if (view.tickers.size > 0 && this.isDue(view)) published = (await this.show(view)) || published
    }
    // A loop that is woken for every trade rests in between.
    if (published) await pause(PAUSE_MS, undefined, { signal }).catch(() => undefined)
  }

  private isDue(view: MarketView): boolean {
    const computedMs = this.shown.get(view)?.computedMs
    return view.isTickerStale || computedMs === undefined || performance.now() - computedMs >= SLIDE_MS
  }

  private async show(view: MarketView): Promise<boolean> {
    view.isTickerStale = false
    const event = await this.compute(view).catch((error: unknown) => {
      view.isTickerStale = true
      throw error
    })
    const { timeMs: _, ...facts } = event
    const text = JSON.stringify(facts, (_key, value) => (typeof value === 'bigint' ? String(value) : value))
    const isNew = text !== this.shown.get(view)?.text
    this.shown.set(view, { text, computedMs: performance.now() })
    if (isNew) view.tickers.publish(event)
    return isNew
  }
}
