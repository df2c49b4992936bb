import { type Gatherer, newId } from '@bitka/kernel'
import { type CallContext, type MethodImpl, userOf } from '@bitka/mesh'
import { CreateOrderRequestSchema, CreateOrderStatus, type OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import type { PlaceOutcome, PlaceRequest } from '../commands/admit.ts'
import type { OrderContext } from '../context.ts'
import type { Order } from '../domain/order.ts'
import { draftOf } from '../domain/place.ts'
import { orderKey, waitUntil } from '../hub.ts'
import * as orders from '../store/orders.ts'
import { readOrder } from './read-orders.ts'
import { hashOf, keyOf, preferredWaitMs, waitOf } from './request.ts'

/** Places an order: with the others of its batch, then, if the caller prefers so, waits for what the engine makes of it. */
export const createOrder =
  (
    ctx: OrderContext,
    gatherer: Gatherer<PlaceRequest, PlaceOutcome>,
  ): MethodImpl<typeof OrderService.method.createOrder> =>
  async (request, call) => {
    const { userId } = userOf(call)
    const draft = draftOf(request)
    const name = keyOf(call)
    const key =
      name === undefined ? undefined : { key: name, requestHash: hashOf(call, CreateOrderRequestSchema, request) }
    ctx.gate.checkBacklog()
    const outcome = await gatherer.add({ id: newId(), userId, draft, key, call })
    if ('error' in outcome) throw outcome.error
    const waitMs = preferredWaitMs(call)
    if (waitMs === 0) return { ...answerOf(outcome.order), order: undefined }
    const order = await waitForEngine(ctx, outcome.order, call, waitMs)
    return { ...answerOf(order), order: await readOrder(ctx.db, order) }
  }

/** What became of the request. An order that is closed by now was accepted once. */
function answerOf(order: Order) {
  const { id: orderId, clientOrderId } = order
  const base = { orderId, clientOrderId: clientOrderId ?? undefined }
  if (order.state === 'rejected') {
    return { ...base, status: CreateOrderStatus.REJECTED, message: 'The order was rejected.' }
  }
  if (order.commandSeq === null) {
    return { ...base, status: CreateOrderStatus.REJECTED, message: 'The order was cancelled before it was sent.' }
  }
  return { ...base, status: CreateOrderStatus.ACCEPTED, message: 'The order was accepted.' }
}

async function waitForEngine(ctx: OrderContext, placed: Order, call: CallContext, ms: number): Promise<Order> {
  const look = async () => {
    const order = (await orders.byIds(ctx.db, [placed.id])).get(placed.id)
    return order && order.state !== 'submitted' ? order : undefined
  }
  return (await waitUntil(ctx.hub, orderKey(placed.id), waitOf(call, ms), look)) ?? placed
}
