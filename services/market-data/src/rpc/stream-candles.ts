import { assert } from '@bitka/kernel'
import type { MethodImpl } from '@bitka/mesh'
import type { MarketDataService, StreamCandlesResponseSchema } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { LiveMarkets } from '../live/live-markets.ts'
import type { CandleEvent } from '../live/market-view.ts'
import { readInterval, readMarket } from './decode.ts'
import { encodeCandle } from './encode.ts'
import { follow } from './follow.ts'

type Answer = MessageInitShape<typeof StreamCandlesResponseSchema>

/** A market's newest candle: as it is now, then each change and its close. Nothing before the market's first trade. */
export const streamCandles = (markets: LiveMarkets): MethodImpl<typeof MarketDataService.method.streamCandles> =>
  async function* (request, { signal }) {
    const { code } = readInterval(request.interval)
    const view = readMarket(markets, request.symbol)
    const channel = view.candles.get(code)
    assert(channel, 'every interval has its channel')
    const encode = ({ candle, closed }: CandleEvent): Answer => ({
      candle: encodeCandle(view.market.symbol, view.notation, candle),
      closed,
    })
    // Both in one turn: no change can come between them.
    const events = channel.subscribe(signal)
    const newest = view.newestCandle(code)
    yield* follow<CandleEvent, Answer>(
      events,
      () => (newest ? [encode(newest)] : []),
      (event) => [encode(event)],
    )
  }
