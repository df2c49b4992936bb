import type { Clock } from '@bitka/kernel'
import type { MethodImpl } from '@bitka/mesh'
import type { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import type { Db } from '@bitka/store'
import type { LiveMarkets } from '../live/live-markets.ts'
import { readBook, seqAt, seqBefore, snapshotsBetween, updatesBetween } from '../store/book-history.ts'
import { readLimit, readMarket, readSpan } from './decode.ts'
import { encodeBook, encodeUpdate } from './encode.ts'

const HOUR_MS = 3_600_000
/** Levels of all later snapshots in an answer: an answer has to fit into one message. */
const LEVELS_MAX = 20_000

/**
 * The book at `start`, then each change before `end`, and the stored snapshots among them. The first snapshot is made from
 * the stored one before `start`, so that `limit` counts changes after `start` only and a reader always gets on.
 */
export const getOrderBookHistory =
  (db: Db, clock: Clock, markets: LiveMarkets): MethodImpl<typeof MarketDataService.method.getOrderBookHistory> =>
  async (request) => {
    const limit = readLimit(request.limit, 100)
    const span = readSpan(request)
    const { market, notation } = readMarket(markets, request.symbol)
    const { symbol } = market
    const end = span.end ?? clock.now()
    const start = span.start ?? new Date(Math.min(clock.nowMs(), end.getTime()) - HOUR_MS)
    const read = await db.transaction(
      async (tx) => {
        const first = (await readBook(tx, symbol, await seqAt(tx, symbol, start))).snapshot()
        const updates = await updatesBetween(tx, symbol, first.seq, await seqBefore(tx, symbol, end), limit)
        const last = updates.at(-1)?.seq ?? first.seq
        return { first, updates, later: await snapshotsBetween(tx, symbol, first.seq, last) }
      },
      { isolation: 'repeatable read', readOnly: true },
    )
    let levels = 0
    const later = read.later.filter(({ bids, asks }) => {
      levels += bids.length + asks.length
      return levels <= LEVELS_MAX
    })
    return {
      snapshots: [read.first, ...later].map((snapshot) => encodeBook(symbol, notation, snapshot)),
      updates: read.updates.map((update) => encodeUpdate(symbol, notation, update)),
    }
  }
