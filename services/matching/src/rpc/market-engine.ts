import type { MarketEngineSchema } from '@bitka/proto/bitka/matching/v1/matching_pb'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Running } from '../runner/runner.ts'

/** How far a market has come, as the contract says it. */
export function toMarketEngine({ partition, board, market }: Running): MessageInitShape<typeof MarketEngineSchema> {
  const { engine } = market
  const stoppedReason = board.reasonOf(market)
  return {
    symbol: market.symbol,
    partition,
    running: stoppedReason === '',
    stoppedReason,
    commandSeq: BigInt(engine.lastSeq),
    resultNumber: BigInt(engine.lastResultNumber),
    bookSeq: BigInt(engine.bookSeq),
    openOrders: engine.openOrderCount,
    stateHash: market.stateHash(),
  }
}
