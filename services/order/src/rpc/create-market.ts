import type { MethodImpl } from '@bitka/mesh'
import { CreateMarketRequestSchema, type OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { readAssets } from '../clients/ledger.ts'
import { commandPartitions, createMarket as create } from '../commands/markets.ts'
import type { OrderContext } from '../context.ts'
import { definitionDefaults } from '../domain/define.ts'
import { answerMarket } from './answer-market.ts'

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
    return answerMarket(ctx, call, { schema: CreateMarketRequestSchema, request }, (tx) =>
      create(ctx, tx, { definition, assets, partitions, call }),
    )
  }
