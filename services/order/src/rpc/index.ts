import type { Gatherer } from '@bitka/kernel'
import type { ServiceImpl } from '@bitka/mesh'
import type { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import type { PlaceOutcome, PlaceRequest } from '../commands/admit.ts'
import type { OrderContext } from '../context.ts'
import { cancelAllForUser } from './cancel-all-for-user.ts'
import { cancelOrder } from './cancel-order.ts'
import { createMarket } from './create-market.ts'
import { createOrder } from './create-order.ts'
import { getOrder } from './get-order.ts'
import { haltMarket } from './halt-market.ts'
import { listFees } from './list-fees.ts'
import { listFills } from './list-fills.ts'
import { listMarkets } from './list-markets.ts'
import { listOrders } from './list-orders.ts'
import { resumeMarket } from './resume-market.ts'
import { streamFills } from './stream-fills.ts'
import { streamOrders } from './stream-orders.ts'
import { updateMarket } from './update-market.ts'

/** The order service's RPCs, one file each. */
export const orderRpcs = (
  ctx: OrderContext,
  gatherer: Gatherer<PlaceRequest, PlaceOutcome>,
): ServiceImpl<typeof OrderService> => ({
  createOrder: createOrder(ctx, gatherer),
  listOrders: listOrders(ctx),
  getOrder: getOrder(ctx),
  cancelOrder: cancelOrder(ctx),
  listFills: listFills(ctx),
  listFees: listFees(ctx),
  cancelAllForUser: cancelAllForUser(ctx),
  createMarket: createMarket(ctx),
  updateMarket: updateMarket(ctx),
  listMarkets: listMarkets(ctx),
  haltMarket: haltMarket(ctx),
  resumeMarket: resumeMarket(ctx),
  streamOrders: streamOrders(ctx),
  streamFills: streamFills(ctx),
})
