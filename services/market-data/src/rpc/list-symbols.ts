import type { MethodImpl } from '@bitka/mesh'
import type { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import { pagination, parsePage } from '@bitka/store'
import { isActive } from '../domain/market.ts'
import type { LiveMarkets } from '../live/live-markets.ts'
import { encodeSymbol } from './encode.ts'

/** Lists the markets, by symbol. */
export const listSymbols =
  (markets: LiveMarkets): MethodImpl<typeof MarketDataService.method.listSymbols> =>
  async (request) => {
    const page = parsePage(request, { defaultPerPage: 50 })
    const found = markets
      .list()
      .map(({ market }) => market)
      .filter((market) => request.active === undefined || isActive(market) === request.active)
    return {
      items: found.slice(page.offset, page.offset + page.limit).map(encodeSymbol),
      pagination: pagination(page, found.length),
    }
  }
