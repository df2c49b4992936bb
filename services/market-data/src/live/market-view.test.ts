import { MarketStatus } from '@bitka/proto/bitka/common/v1/market_pb'
import { CandleInterval } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { definition, Tape } from '../../test/tape.ts'
import { Book } from '../domain/book.ts'
import { foldTrades } from '../domain/candle.ts'
import { toMarket } from '../domain/market.ts'
import { firstPosition, foldResults } from '../domain/results.ts'
import { CLOSE_GRACE_MS, MarketView } from './market-view.ts'

const MINUTE = CandleInterval.ONE_MINUTE
const START_MS = Date.UTC(2026, 0, 7, 10)

function listed() {
  const tape = new Tape('BTC-THB', START_MS)
  const from = foldResults(firstPosition('BTC-THB'), undefined, [tape.define()]).to
  const book = Book.of({ seq: 0n, timeMs: START_MS, bids: [], asks: [] })
  const market = toMarket(definition('BTC-THB'))
  const view = new MarketView({ market, position: from, book, newest: [] }, START_MS, 100)
  const fold = (messages: Parameters<typeof foldResults>[2]) => {
    const delta = foldResults(view.position, view.market, messages)
    return { ...delta, candles: foldTrades(delta.trades) }
  }
  const shown: [startMs: number, close: number, closed: boolean][] = []
  const reader = view.candles.get(MINUTE)!.subscribe(new AbortController().signal)
  void (async () => {
    for await (const { candle, closed } of reader) shown.push([candle.startMs - START_MS, candle.close, closed])
  })()
  const seen = async () => {
    await new Promise(setImmediate)
    return shown.splice(0)
  }
  return { tape, view, fold, seen }
}

describe('a market in memory', () => {
  it('closes a candle when its time is over, once, and shows a late trade of it again', async () => {
    const { tape, view, fold, seen } = listed()
    view.apply(fold([tape.later(1_000).trade([[10, 1, 'buy']])]))
    expect(await seen()).toEqual([[0, 10, false]])
    view.closeDue(START_MS + 60_000 + CLOSE_GRACE_MS - 1)
    expect(await seen()).toEqual([])
    view.closeDue(START_MS + 60_000 + CLOSE_GRACE_MS)
    view.closeDue(START_MS + 60_000 + CLOSE_GRACE_MS + 1)
    expect(await seen()).toEqual([[0, 10, true]])
    view.apply(fold([tape.trade([[11, 1, 'buy']])]))
    expect(await seen()).toEqual([[0, 11, true]])
  })

  it('closes a candle before it shows a later one', async () => {
    const { tape, view, fold, seen } = listed()
    view.apply(fold([tape.trade([[10, 1, 'buy']])]))
    await seen()
    view.apply(fold([tape.trade([[11, 1, 'buy']]), tape.later(60_000).trade([[12, 1, 'buy']])]))
    expect(await seen()).toEqual([
      [0, 11, false],
      [0, 11, true],
      [60_000, 12, false],
    ])
  })

  it('refuses what does not follow, and changes nothing then', () => {
    const { tape, view, fold } = listed()
    const first = fold([tape.book(['bid', 5, 1])])
    expect(view.apply(first)).toBe(true)
    expect(view.apply(first)).toBe(false)
    expect(view.book.seq).toBe(1n)
    expect(view.apply(fold([tape.status(MarketStatus.HALTED)]))).toBe(true)
    expect(view.market.status).toBe(MarketStatus.HALTED)
  })

  it('knows when the ticker has to be computed again', () => {
    const { tape, view, fold } = listed()
    const staleAfter = (message: ReturnType<Tape['book']>): boolean => {
      view.isTickerStale = false
      view.apply(fold([message]))
      return view.isTickerStale
    }
    expect(staleAfter(tape.book(['bid', 5, 1]))).toBe(true)
    expect(staleAfter(tape.book(['bid', 4, 1]))).toBe(false) // behind the best
    expect(staleAfter(tape.trade([[5, 1, 'sell']]))).toBe(true)
    expect(staleAfter(tape.accepted())).toBe(false)
  })
})
