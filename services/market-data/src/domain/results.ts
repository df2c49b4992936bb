import { assert } from '@bitka/kernel'
import { OrderSide } from '@bitka/proto/bitka/common/v1/market_pb'
import type {
  BookChanged,
  MatchResult,
  MatchResults,
  Trade as TradeResult,
} from '@bitka/proto/bitka/events/v1/trading_pb'
import { BookSide } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import type { BookUpdate } from './book.ts'
import { type Market, toMarket } from './market.ts'

/** A trade as the public sees it, counted in ticks and lots. */
export type Trade = {
  readonly number: bigint
  readonly timeMs: number
  readonly ticks: number
  readonly lots: number
  /** The taker's. */
  readonly side: OrderSide
}

/** How far the results of a market have been applied. */
export type Position = {
  readonly symbol: string
  readonly resultNumber: bigint
  readonly commandSeq: bigint
  readonly bookSeq: bigint
  readonly tradeNumber: bigint
  readonly timeMs: number
}

/** What some results changed. */
export type Delta = {
  readonly from: Position
  readonly to: Position
  /** The definition that holds after them; absent where they did not change it. */
  readonly market?: Market
  /** When the market was defined for the first time, if these results did it. */
  readonly listedMs?: number
  readonly trades: readonly Trade[]
  readonly updates: readonly BookUpdate[]
}

/** A result is missing. Nothing after it can be trusted. */
class ResultGap extends Error {
  override name = 'ResultGap'
  constructor(symbol: string, last: bigint, next: bigint) {
    super(`results of ${symbol} jump from ${last} to ${next}`)
  }
}

/**
 * Where a market that nothing is known of begins. Should the log ever be pruned before this service has read it, this is
 * the place to begin from the engine's own book (MatchingService.GetBook) instead; until then a later start is a gap.
 */
export const firstPosition = (symbol: string): Position => ({
  symbol,
  resultNumber: 0n,
  commandSeq: 0n,
  bookSeq: 0n,
  tradeNumber: 0n,
  timeMs: 0,
})

type Draft = {
  position: Position
  defined: Market | undefined
  market?: Market
  listedMs?: number
  trades: Trade[]
  updates: BookUpdate[]
}

/**
 * Reads messages of one market, in order, after a position. Results that were applied before are skipped.
 * @throws ResultGap when one is missing
 * @throws when one does not fit what came before it: our copy is wrong, so stop
 */
export function foldResults(from: Position, market: Market | undefined, messages: readonly MatchResults[]): Delta {
  const draft: Draft = { position: from, defined: market, trades: [], updates: [] }
  for (const message of messages) {
    for (const result of message.results) {
      const { position } = draft
      if (result.number <= position.resultNumber) continue
      if (result.number !== position.resultNumber + 1n) {
        throw new ResultGap(position.symbol, position.resultNumber, result.number)
      }
      draft.position = {
        ...position,
        resultNumber: result.number,
        commandSeq: message.commandSeq,
        // The engine's time never goes back; lists rely on it.
        timeMs: Math.max(position.timeMs, count(message.timeMs, 'a time')),
      }
      applyResult(draft, result)
    }
  }
  const { position, market: changed, listedMs, trades, updates } = draft
  return { from, to: position, market: changed, listedMs, trades, updates }
}

/** What happens to one order is nobody else's business: such results only count. */
function applyResult(draft: Draft, { body }: MatchResult): void {
  const { position, defined } = draft
  if (body.case === 'marketDefined') define(draft, toMarket({ ...body.value, symbol: position.symbol }))
  else if (body.case === 'marketStatusChanged' && defined) define(draft, { ...defined, status: body.value.status })
  else if (body.case === 'trade') trade(draft, body.value)
  else if (body.case === 'bookChanged') changeBook(draft, body.value)
}

function define(draft: Draft, market: Market): void {
  if (!draft.defined) draft.listedMs = draft.position.timeMs
  draft.defined = market
  draft.market = market
}

function trade(draft: Draft, { tradeNumber, priceTicks, quantityLots, takerSide }: TradeResult): void {
  const { position } = draft
  assert(draft.defined, `a trade of ${position.symbol}, which is not defined`)
  assert(tradeNumber === position.tradeNumber + 1n, `trade ${tradeNumber} follows ${position.tradeNumber}`)
  draft.position = { ...position, tradeNumber }
  draft.trades.push({
    number: tradeNumber,
    timeMs: position.timeMs,
    ticks: count(priceTicks, 'a price'),
    lots: count(quantityLots, 'a quantity'),
    side: takerSide,
  })
}

function changeBook(draft: Draft, { seq, changes }: BookChanged): void {
  const { position } = draft
  assert(draft.defined, `a book of ${position.symbol}, which is not defined`)
  assert(seq === position.bookSeq + 1n, `book change ${seq} follows ${position.bookSeq}`)
  draft.position = { ...position, bookSeq: seq }
  draft.updates.push({
    seq,
    timeMs: position.timeMs,
    changes: changes.map(({ side, priceTicks, quantityLots }) => {
      assert(side === OrderSide.BUY || side === OrderSide.SELL, 'a level has no side')
      return {
        side: side === OrderSide.BUY ? BookSide.BID : BookSide.ASK,
        ticks: count(priceTicks, 'a price'),
        lots: count(quantityLots, 'a quantity'),
      }
    }),
  })
}

/** The engine counts in safe integers. */
function count(value: bigint, what: string): number {
  assert(value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER), `${what} is out of range`)
  return Number(value)
}
