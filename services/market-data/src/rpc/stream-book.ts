import type { MethodImpl } from '@bitka/mesh'
import {
  type MarketDataService,
  type StreamBookResponse,
  StreamBookResponseSchema,
} from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { create } from '@bufbuild/protobuf'
import type { BookUpdate } from '../domain/book.ts'
import type { LiveMarkets } from '../live/live-markets.ts'
import type { MarketView } from '../live/market-view.ts'
import { readMarket } from './decode.ts'
import { encodeBook, encodeUpdate } from './encode.ts'
import { follow, shared } from './follow.ts'

const answerUpdate = shared((update: BookUpdate, { market, notation }: MarketView) =>
  create(StreamBookResponseSchema, {
    body: { case: 'update', value: encodeUpdate(market.symbol, notation, update) },
  }),
)

/** A market's book: a snapshot, then each change without a gap. A reader that falls behind is ended with UNAVAILABLE. */
export const streamBook = (markets: LiveMarkets): MethodImpl<typeof MarketDataService.method.streamBook> =>
  async function* (request, { signal }) {
    const view = readMarket(markets, request.symbol)
    // Both in one turn: no change can come between them.
    const updates = view.updates.subscribe(signal)
    const snapshot = create(StreamBookResponseSchema, {
      body: { case: 'snapshot', value: encodeBook(view.market.symbol, view.notation, view.book.snapshot()) },
    })
    yield* follow<BookUpdate, StreamBookResponse>(
      updates,
      () => [snapshot],
      (update) => [answerUpdate(update, view)],
    )
  }
