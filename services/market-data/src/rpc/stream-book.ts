import type { MethodImpl } from '@bitka/mesh'
import type { MarketDataService, StreamBookResponseSchema } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { BookUpdate } from '../domain/book.ts'
import type { LiveMarkets } from '../live/live-markets.ts'
import { readMarket } from './decode.ts'
import { encodeBook, encodeUpdate } from './encode.ts'
import { follow } from './follow.ts'

type Answer = MessageInitShape<typeof StreamBookResponseSchema>

/** A market's book: a snapshot, then each change without a gap. A reader that falls behind is ended with UNAVAILABLE. */
export const streamBook = (markets: LiveMarkets): MethodImpl<typeof MarketDataService.method.streamBook> =>
  async function* (request, { signal }) {
    const view = readMarket(markets, request.symbol)
    const { symbol } = view.market
    // Both in one turn: no change can come between them.
    const updates = view.updates.subscribe(signal)
    const snapshot = encodeBook(symbol, view.notation, view.book.snapshot())
    yield* follow<BookUpdate, Answer>(
      updates,
      () => [{ body: { case: 'snapshot', value: snapshot } }],
      (update) => [{ body: { case: 'update', value: encodeUpdate(symbol, view.notation, update) } }],
    )
  }
