import type {
  BookUpdateSchema,
  CandleSchema,
  OrderBookSchema,
  SymbolSchema,
  TickerSchema,
  TickSchema,
} from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import type { BookSnapshot, BookUpdate, Level } from '../domain/book.ts'
import type { Candle } from '../domain/candle.ts'
import { intervalOf } from '../domain/interval.ts'
import { isActive, type Market, type Notation, tradeIdOf } from '../domain/market.ts'
import type { Trade } from '../domain/results.ts'
import { changePercent } from '../domain/ticker.ts'
import type { TickerEvent } from '../live/market-view.ts'

export const encodeSymbol = (market: Market): MessageInitShape<typeof SymbolSchema> => ({
  ...market,
  active: isActive(market),
})

export const encodeCandle = (
  symbol: string,
  notation: Notation,
  candle: Candle,
): MessageInitShape<typeof CandleSchema> => ({
  symbol,
  interval: candle.interval,
  open: notation.price(candle.open),
  high: notation.price(candle.high),
  low: notation.price(candle.low),
  close: notation.price(candle.close),
  volume: notation.quantity(candle.volume),
  startTime: timestampFromMs(candle.startMs),
  endTime: timestampFromMs(candle.startMs + (intervalOf(candle.interval)?.ms ?? 0)),
})

export const encodeTick = (symbol: string, notation: Notation, trade: Trade): MessageInitShape<typeof TickSchema> => ({
  tradeId: tradeIdOf(symbol, trade.number),
  symbol,
  price: notation.price(trade.ticks),
  quantity: notation.quantity(trade.lots),
  side: trade.side,
  timestamp: timestampFromMs(trade.timeMs),
})

export function encodeBook(
  symbol: string,
  notation: Notation,
  book: BookSnapshot,
): MessageInitShape<typeof OrderBookSchema> {
  const encode = ([ticks, lots]: Level) => ({ price: notation.bookPrice(ticks), quantity: notation.bookQuantity(lots) })
  return {
    symbol,
    seq: book.seq,
    bids: book.bids.map(encode),
    asks: book.asks.map(encode),
    timestamp: timestampFromMs(book.timeMs),
  }
}

export const encodeUpdate = (
  symbol: string,
  notation: Notation,
  update: BookUpdate,
): MessageInitShape<typeof BookUpdateSchema> => ({
  symbol,
  seq: update.seq,
  changes: update.changes.map(({ side, ticks, lots }) => ({
    side,
    price: notation.bookPrice(ticks),
    quantity: notation.bookQuantity(lots),
  })),
  timestamp: timestampFromMs(update.timeMs),
})

export function encodeTicker(
  symbol: string,
  notation: Notation,
  { summary, bid, ask, timeMs }: TickerEvent,
): MessageInitShape<typeof TickerSchema> {
  const { last, open, high, low, volume } = summary
  const price = (ticks: number | undefined) => (ticks === undefined ? undefined : notation.price(ticks))
  return {
    symbol,
    last: price(last),
    bid: price(bid),
    ask: price(ask),
    open24h: price(open),
    high24h: price(high),
    low24h: price(low),
    volume24h: notation.quantity(volume),
    change24h: open === undefined || last === undefined ? undefined : changePercent(open, last),
    timestamp: timestampFromMs(timeMs),
  }
}
