import type { MethodImpl } from '@bitka/mesh'
import type { MarketDataService, StreamTradesResponseSchema } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Trade } from '../domain/results.ts'
import type { LiveMarkets } from '../live/live-markets.ts'
import { readMarket } from './decode.ts'
import { encodeTick } from './encode.ts'
import { follow } from './follow.ts'

type Answer = MessageInitShape<typeof StreamTradesResponseSchema>

/** A large order may trade with thousands at once. */
const TRADES_PER_MESSAGE_MAX = 1_000

/** A market's trades as they happen. */
export const streamTrades = (markets: LiveMarkets): MethodImpl<typeof MarketDataService.method.streamTrades> =>
  async function* (request, { signal }) {
    const view = readMarket(markets, request.symbol)
    const { symbol } = view.market
    yield* follow<readonly Trade[], Answer>(
      view.trades.subscribe(signal),
      () => [],
      function* (trades) {
        for (let at = 0; at < trades.length; at += TRADES_PER_MESSAGE_MAX) {
          const some = trades.slice(at, at + TRADES_PER_MESSAGE_MAX)
          yield { items: some.map((trade) => encodeTick(symbol, view.notation, trade)) }
        }
      },
    )
  }
