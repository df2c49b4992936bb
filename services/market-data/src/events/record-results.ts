import { appendOutbox, type ConsumerOptions, type StoredRecord } from '@bitka/events'
import { type MatchResults, MatchResultsSchema } from '@bitka/proto/bitka/events/v1/trading_pb'
import type { Tx } from '@bitka/store'
import { fromBinary } from '@bufbuild/protobuf'
import { type BookSnapshot, isSnapshotDue } from '../domain/book.ts'
import { foldTrades } from '../domain/candle.ts'
import type { Market } from '../domain/market.ts'
import { type Delta, firstPosition, foldResults } from '../domain/results.ts'
import type { LiveMarkets } from '../live/live-markets.ts'
import { insertSnapshot, insertUpdates, readBook } from '../store/book-history.ts'
import { upsertCandles } from '../store/candles.ts'
import { readMarkets, saveMarkets } from '../store/markets.ts'
import { lockPositions, type StoredPosition, savePositions } from '../store/positions.ts'
import { insertTicks } from '../store/ticks.ts'
import { priceTicks } from './price-ticks.ts'

/** A delta, the definition that holds after it, and where the newest snapshot was before it. */
type Step = { delta: Delta; market: Market | undefined; snapshotSeq: bigint }

/**
 * Applies the engine's results, some records at a time: every table is written once for all of them, in the commit that moves
 * the positions. What is in memory follows after the commit.
 */
export const recordResults =
  (live: LiveMarkets): ConsumerOptions['handle'] =>
  async (tx, records) => {
    const steps = await fold(tx, byMarket(records))
    if (steps.length === 0) return
    const deltas = steps.map(({ delta }) => delta)
    const defined = deltas.flatMap(({ market }) => market ?? [])
    await saveMarkets(tx, defined)
    await insertTicks(
      tx,
      deltas.flatMap(({ to, trades }) => trades.map((trade) => ({ ...trade, symbol: to.symbol }))),
    )
    const candles = await upsertCandles(
      tx,
      deltas.flatMap(({ to, trades }) => foldTrades(trades).map((candle) => ({ ...candle, symbol: to.symbol }))),
    )
    await insertUpdates(
      tx,
      deltas.flatMap(({ to, updates }) => updates.map((update) => ({ ...update, symbol: to.symbol }))),
    )
    const positions: StoredPosition[] = []
    for (const step of steps) positions.push({ ...step.delta.to, snapshotSeq: await takeSnapshots(tx, step, live) })
    await savePositions(tx, positions)
    await appendOutbox(
      tx,
      steps.flatMap(({ delta, market }) => (market ? priceTicks(market, delta.trades) : [])),
    )
    tx.afterCommit(() =>
      live.committed(deltas.map((delta) => ({ ...delta, candles: candles.get(delta.to.symbol) ?? [] }))),
    )
  }

function byMarket(records: readonly StoredRecord[]): Map<string, MatchResults[]> {
  const messages = new Map<string, MatchResults[]>()
  for (const record of records) {
    const message = fromBinary(MatchResultsSchema, record.value)
    const own = messages.get(message.symbol) ?? []
    own.push(message)
    messages.set(message.symbol, own)
  }
  return messages
}

/** What the messages change in each market; markets in which they change nothing are left out. */
async function fold(tx: Tx, messages: ReadonlyMap<string, readonly MatchResults[]>): Promise<Step[]> {
  const symbols = [...messages.keys()].sort()
  const positions = await lockPositions(tx, symbols)
  const markets = new Map((await readMarkets(tx.orm, symbols)).map((market) => [market.symbol, market]))
  return symbols.flatMap((symbol) => {
    const position = positions.get(symbol)
    const { snapshotSeq, ...from } = position ?? { ...firstPosition(symbol), snapshotSeq: 0n }
    const before = markets.get(symbol)
    const delta = foldResults(from, before, messages.get(symbol) ?? [])
    if (delta.to.resultNumber === from.resultNumber) return []
    return { delta, market: delta.market ?? before, snapshotSeq }
  })
}

/** Stores the snapshots that are due; answers the number of the newest one. */
async function takeSnapshots(tx: Tx, { delta, snapshotSeq }: Step, live: LiveMarkets): Promise<bigint> {
  const { from, to, updates, listedMs } = delta
  const { symbol } = to
  if (listedMs !== undefined) await insertSnapshot(tx, symbol, emptyBook(listedMs))
  const since = to.bookSeq - snapshotSeq
  if (!isSnapshotDue(since, 0)) return snapshotSeq
  const shown = live.find(symbol)?.book
  const book = shown && shown.seq === from.bookSeq ? shown : await readBook(tx, symbol, from.bookSeq)
  if (!isSnapshotDue(since, book.size)) return snapshotSeq
  const next = book.clone()
  for (const update of updates) next.apply(update)
  await insertSnapshot(tx, symbol, next.snapshot())
  return to.bookSeq
}

/** What every history begins with. */
const emptyBook = (timeMs: number): BookSnapshot => ({ seq: 0n, timeMs, bids: [], asks: [] })
