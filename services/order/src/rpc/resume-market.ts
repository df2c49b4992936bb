import type { MethodImpl } from '@bitka/mesh'
import { MarketStatus } from '@bitka/proto/bitka/common/v1/market_pb'
import { type OrderService, ResumeMarketRequestSchema } from '@bitka/proto/bitka/order/v1/order_pb'
import type { OrderContext } from '../context.ts'
import { changeStatus } from './market-status.ts'

/** Opens a market, for operators. */
export const resumeMarket =
  (ctx: OrderContext): MethodImpl<typeof OrderService.method.resumeMarket> =>
  (request, call) =>
    changeStatus(ctx, call, request, {
      schema: ResumeMarketRequestSchema,
      status: MarketStatus.TRADING,
      action: 'admin.market.resume',
    })
