import { type MethodImpl, userOf } from '@bitka/mesh'
import { CreateMarketRequestSchema, type OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { idempotent } from '@bitka/store'
import { readAssets } from '../clients/ledger.ts'
import { commandPartitions, createMarket as create, waitForMarket } from '../commands/markets.ts'
import type { OrderContext } from '../context.ts'
import { definitionDefaults } from '../domain/define.ts'
import { encodeMarket } from './encode.ts'
import { ONE_DAY_MS, rememberedAs, waitOf } from './request.ts'

/** How long the operators' calls wait for the engine to have read the command. */
export const MARKET_WAIT_MS = 2_000

/** Creates a market, for operators. */
export const createMarket =
  (ctx: OrderContext): MethodImpl<typeof OrderService.method.createMarket> =>
  async (request, call) => {
    const definition = {
      symbol: request.symbol,
      baseAsset: request.baseAsset,
      quoteAsset: request.quoteAsset,
      tickSize: request.tickSize,
      lotSize: request.lotSize,
      minQuantity: request.minQuantity,
      maxQuantity: request.maxQuantity,
      minNotional: request.minNotional,
      priceBandBps: request.priceBandBps ?? definitionDefaults.priceBandBps,
      makerFeeBps: request.makerFeeBps ?? definitionDefaults.makerFeeBps,
      takerFeeBps: request.takerFeeBps ?? definitionDefaults.takerFeeBps,
      wantedStatus: request.status ?? definitionDefaults.wantedStatus,
      maxOpenOrders: request.maxOpenOrders ?? ctx.config.BITKA_ORDER_OPEN_MAX,
    }
    const [assets, partitions] = await Promise.all([
      readAssets(ctx.ledger, [request.baseAsset, request.quoteAsset], { ctx: call }),
      commandPartitions(ctx),
    ])
    const options = { ttlMs: ONE_DAY_MS, now: ctx.clock.now() }
    const key = rememberedAs(call, userOf(call).userId, CreateMarketRequestSchema, request, options)
    const commanded = await ctx.db.transaction((tx) => {
      const run = () => create(ctx, tx, { definition, assets, partitions, call })
      return key ? idempotent(tx, key, run) : run()
    })
    return { market: encodeMarket(await waitForMarket(ctx, commanded, waitOf(call, MARKET_WAIT_MS))) }
  }
