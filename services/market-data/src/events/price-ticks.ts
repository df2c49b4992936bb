import type { OutboxRecord } from '@bitka/events'
import { PriceTickSchema } from '@bitka/proto/bitka/events/v1/prices_pb'
import { create, toBinary } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { type Market, notationOf, tradeIdOf } from '../domain/market.ts'
import type { Trade } from '../domain/results.ts'

/** Tells others of each trade, on market.price.tick. */
export function priceTicks(market: Market, trades: readonly Trade[]): OutboxRecord[] {
  const notation = notationOf(market)
  return trades.map((trade) => ({
    topic: 'market.price.tick',
    key: market.symbol,
    type: PriceTickSchema.typeName,
    value: toBinary(
      PriceTickSchema,
      create(PriceTickSchema, {
        tradeId: tradeIdOf(market.symbol, trade.number),
        symbol: market.symbol,
        price: notation.price(trade.ticks),
        quantity: notation.quantity(trade.lots),
        side: trade.side,
        timestamp: timestampFromMs(trade.timeMs),
      }),
    ),
  }))
}
