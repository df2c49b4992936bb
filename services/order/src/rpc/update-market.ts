import type { MethodImpl } from '@bitka/mesh'
import type { OrderService, UpdateMarketRequest } from '@bitka/proto/bitka/order/v1/order_pb'
import { readAssets } from '../clients/ledger.ts'
import { noSuchMarket, updateMarket as update, waitForMarket } from '../commands/markets.ts'
import type { OrderContext } from '../context.ts'
import type { Definition } from '../domain/define.ts'
import * as markets from '../store/markets.ts'
import { MARKET_WAIT_MS } from './answer-market.ts'
import { encodeMarket } from './encode.ts'
import { waitOf } from './request.ts'

/** Changes a market, for operators; absent fields stay. */
export const updateMarket =
  (ctx: OrderContext): MethodImpl<typeof OrderService.method.updateMarket> =>
  async (request, call) => {
    const { symbol } = request
    const market = (await markets.bySymbols(ctx.db, [symbol])).get(symbol)?.market
    if (!market) throw noSuchMarket()
    const symbols = [request.baseAsset ?? market.baseAsset, request.quoteAsset ?? market.quoteAsset]
    const assets = await readAssets(ctx.ledger, symbols, { ctx: call })
    const changes = changesOf(request)
    const commanded = await ctx.db.transaction((tx) => update(ctx, tx, { symbol, changes, assets, call }))
    return { market: encodeMarket(await waitForMarket(ctx, commanded, waitOf(call, MARKET_WAIT_MS))) }
  }

/** What the request names, and nothing else. */
function changesOf(request: UpdateMarketRequest): Partial<Definition> {
  const { baseAsset, quoteAsset, tickSize, lotSize, minQuantity, maxQuantity, minNotional } = request
  const { priceBandBps, makerFeeBps, takerFeeBps, maxOpenOrders, status: wantedStatus } = request
  const named = {
    baseAsset,
    quoteAsset,
    tickSize,
    lotSize,
    minQuantity,
    maxQuantity,
    minNotional,
    priceBandBps,
    makerFeeBps,
    takerFeeBps,
    maxOpenOrders,
    wantedStatus,
  }
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined))
}
