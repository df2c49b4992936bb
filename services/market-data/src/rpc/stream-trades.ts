import type { MethodImpl } from '@bitka/mesh'
import {
  type MarketDataService,
  type StreamTradesResponse,
  StreamTradesResponseSchema,
} from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { create } from '@bufbuild/protobuf'
import type { Trade } from '../domain/results.ts'
import type { LiveMarkets } from '../live/live-markets.ts'
import type { MarketView } from '../live/market-view.ts'
import { readMarket } from './decode.ts'
import { encodeTick } from './encode.ts'
import { follow, shared } from './follow.ts'

/** A large order may trade with thousands at once. */
const TRADES_PER_MESSAGE_MAX = 1_000

const answerTrades = shared((trades: readonly Trade[], { market, notation }: MarketView): StreamTradesResponse[] => {
  const answers: StreamTradesResponse[] = []
  for (let at = 0; at < trades.length; at += TRADES_PER_MESSAGE_MAX) {
    const items = trades
      .slice(at, at + TRADES_PER_MESSAGE_MAX)
      .map((trade) => encodeTick(market.symbol, notation, trade))
    answers.push(create(StreamTradesResponseSchema, { items }))
  }
  return answers
})

/** A market's trades as they happen. */
export const streamTrades = (markets: LiveMarkets): MethodImpl<typeof MarketDataService.method.streamTrades> =>
  async function* (request, { signal }) {
    const view = readMarket(markets, request.symbol)
    yield* follow<readonly Trade[], StreamTradesResponse>(
      view.trades.subscribe(signal),
      () => [],
      (trades) => answerTrades(trades, view),
    )
  }
