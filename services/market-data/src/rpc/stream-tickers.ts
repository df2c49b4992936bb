import type { MethodImpl } from '@bitka/mesh'
import type { MarketDataService, StreamTickersResponseSchema } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { LiveMarkets } from '../live/live-markets.ts'
import type { TickerEvent } from '../live/market-view.ts'
import type { Tickers } from '../live/tickers.ts'
import { readMarket } from './decode.ts'
import { encodeTicker } from './encode.ts'
import { follow } from './follow.ts'

type Answer = MessageInitShape<typeof StreamTickersResponseSchema>

/** A market's ticker: now, then each change. A slow reader gets the newest one only. */
export const streamTickers = (
  markets: LiveMarkets,
  tickers: Tickers,
): MethodImpl<typeof MarketDataService.method.streamTickers> =>
  async function* (request, { signal }) {
    const view = readMarket(markets, request.symbol)
    const encode = (event: TickerEvent): Answer => ({ ticker: encodeTicker(view.market.symbol, view.notation, event) })
    let sinceMs = 0
    yield* follow<TickerEvent, Answer>(
      view.tickers.subscribe(signal),
      async () => {
        const event = await tickers.compute(view)
        sinceMs = event.timeMs
        return [encode(event)]
      },
      // One that was computed before the first must not follow it.
      (event) => (event.timeMs < sinceMs ? [] : [encode(event)]),
    )
  }
