import type { MarketDefinitionSchema, MarketDefinition as WireDefinition } from '@bitka/proto/bitka/common/v1/market_pb'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { MarketDefinition } from '../domain/command.ts'
import { word } from './decoding.ts'
import { statuses } from './words.ts'

/** @throws UndecodableError for a status that the engine does not know */
export function fromWireDefinition(wire: WireDefinition): MarketDefinition {
  return {
    symbol: wire.symbol,
    baseAsset: wire.baseAsset,
    quoteAsset: wire.quoteAsset,
    baseDecimals: wire.baseDecimals,
    quoteDecimals: wire.quoteDecimals,
    tickSize: wire.tickSize,
    lotSize: wire.lotSize,
    priceBandBps: wire.priceBandBps,
    status: word(statuses, wire.status, 'status'),
    minQuantity: wire.minQuantity,
    maxQuantity: wire.maxQuantity,
    minNotional: wire.minNotional,
    makerFeeBps: wire.makerFeeBps,
    takerFeeBps: wire.takerFeeBps,
    partition: wire.partition,
  }
}

export const toWireDefinition = (market: MarketDefinition): MessageInitShape<typeof MarketDefinitionSchema> => ({
  ...market,
  status: statuses[market.status],
})
