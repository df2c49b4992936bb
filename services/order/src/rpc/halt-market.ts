import type { MethodImpl } from '@bitka/mesh'
import { MarketStatus } from '@bitka/proto/bitka/common/v1/market_pb'
import { HaltMarketRequestSchema, type OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import type { OrderContext } from '../context.ts'
import { changeStatus } from './market-status.ts'

/** Stops a market but for cancels, for operators. */
export const haltMarket =
  (ctx: OrderContext): MethodImpl<typeof OrderService.method.haltMarket> =>
  (request, call) =>
    changeStatus(ctx, call, request, {
      schema: HaltMarketRequestSchema,
      status: MarketStatus.HALTED,
      action: 'admin.market.halt',
    })
