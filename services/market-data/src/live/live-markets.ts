import { type Clock, DomainError, type Logger } from '@bitka/kernel'
import type { Db, Tx } from '@bitka/store'
import { intervals } from '../domain/interval.ts'
import type { Market } from '../domain/market.ts'
import type { Position } from '../domain/results.ts'
import { readBook, updatesBetween } from '../store/book-history.ts'
import { listCandles, newestCandles } from '../store/candles.ts'
import { readMarkets } from '../store/markets.ts'
import { listPositions } from '../store/positions.ts'
import { ticksAfter } from '../store/ticks.ts'
import { type AppliedDelta, type MarketState, MarketView } from './market-view.ts'

/** Beyond this many rows a view begins again instead of catching up. */
const CATCH_UP_ROWS_MAX = 5_000

const codes = intervals.map(({ code }) => code)

type Options = { db: Db; clock: Clock; log: Logger; capacity: number }

/**
 * Every market in memory. The rows come first: whatever is here was committed before. What this process commits itself comes
 * by `committed`; what another process of the service commits, or what got lost, by `refresh`.
 */
export class LiveMarkets {
  private readonly views = new Map<string, MarketView>()
  /** Called after something has changed. */
  onChange: () => void = () => {}
  /** Called when the rows are ahead of what is here. */
  onBehind: () => void = () => {}
  /** Called with the markets that have changed by what was committed in this process. */
  onCommitted: (symbols: string[]) => void = () => {}

  constructor(private readonly options: Options) {}

  /** By symbol. */
  list(): MarketView[] {
    return [...this.views.values()].sort((a, b) => (a.market.symbol < b.market.symbol ? -1 : 1))
  }

  find(symbol: string): MarketView | undefined {
    return this.views.get(symbol)
  }

  /** @throws DomainError not_found */
  get(symbol: string): MarketView {
    const view = this.views.get(symbol)
    if (!view) throw new DomainError('not_found', 'There is no such market.')
    return view
  }

  /** Takes in what was just committed here. */
  committed(deltas: readonly AppliedDelta[]): void {
    for (const delta of deltas) {
      const view = this.views.get(delta.to.symbol)
      // A new market, or one whose view missed something: its rows say it all.
      if (!view?.apply(delta)) this.onBehind()
    }
    this.onCommitted(deltas.map(({ to }) => to.symbol))
    this.onChange()
  }

  closeDueCandles(): void {
    for (const view of this.views.values()) view.closeDue(this.options.clock.nowMs())
  }

  /** Brings every view up to its rows. */
  async refresh(): Promise<void> {
    const { db } = this.options
    const behind = (await listPositions(db)).filter(
      ({ symbol, resultNumber }) => (this.views.get(symbol)?.position.resultNumber ?? -1n) < resultNumber,
    )
    if (behind.length === 0) return
    for (const { symbol } of behind) {
      await db.transaction((tx) => this.refreshMarket(tx, symbol), { isolation: 'repeatable read', readOnly: true })
    }
    this.onChange()
  }

  private async refreshMarket(tx: Tx, symbol: string): Promise<void> {
    const view = this.views.get(symbol)
    const position = (await listPositions(tx)).find((candidate) => candidate.symbol === symbol)
    const [market] = await readMarkets(tx.orm, [symbol])
    // Results of a market that is not defined yet change nothing that anybody sees.
    if (!market || !position) return
    const delta = view && (await readDelta(tx, view, market, position))
    if (delta) {
      // Not applied: the commit that is missing here came by `committed` meanwhile.
      view.apply(delta)
      return
    }
    const { clock, capacity, log } = this.options
    const state = await readState(tx, market, position)
    const current = this.views.get(symbol)
    if (!current) this.views.set(symbol, new MarketView(state, clock.nowMs(), capacity))
    else if (current.position.resultNumber < position.resultNumber) {
      log.warn({ symbol }, 'a market in memory was too far behind its rows and begins again')
      current.reset(state, clock.nowMs(), new DomainError('unavailable', 'This stream was interrupted: open it again.'))
    }
  }
}

const readState = async (tx: Tx, market: Market, position: Position): Promise<MarketState> => ({
  market,
  position,
  book: await readBook(tx, market.symbol, position.bookSeq),
  newest: await newestCandles(tx.orm, market.symbol, codes),
})

/** What the rows have more than a view; undefined when that is too much. */
async function readDelta(tx: Tx, view: MarketView, market: Market, to: Position): Promise<AppliedDelta | undefined> {
  const from = view.position
  const limit = CATCH_UP_ROWS_MAX + 1
  const updates = await updatesBetween(tx, to.symbol, from.bookSeq, to.bookSeq, limit)
  const trades = await ticksAfter(tx.orm, to.symbol, from.tradeNumber, limit)
  if (updates.length === limit || trades.length === limit) return undefined
  const candles = []
  const [first] = trades
  for (const { code } of first ? intervals : []) {
    const newest = view.newestCandle(code)
    const span = newest && { start: new Date(newest.candle.startMs) }
    candles.push(...(await listCandles(tx.orm, to.symbol, code, span ?? {}, { limit, first: 'oldest' })))
  }
  return { from, to, market, trades, updates, candles }
}
