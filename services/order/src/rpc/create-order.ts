import { type Gatherer, newId } from '@bitka/kernel'
import { type CallContext, type MethodImpl, userOf } from '@bitka/mesh'
import {
  CreateOrderRequestSchema,
  CreateOrderResponseSchema,
  CreateOrderStatus,
  type OrderService,
} from '@bitka/proto/bitka/order/v1/order_pb'
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import type { PlaceOutcome, PlaceRequest } from '../commands/admit.ts'
import type { OrderContext } from '../context.ts'
import type { Order } from '../domain/order.ts'
import { draftOf } from '../domain/place.ts'
import { orderKey, waitUntil } from '../hub.ts'
import * as answers from '../store/answers.ts'
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
    const [id, draft, name, waitMs] = [newId(), draftOf(request), keyOf(call), preferredWaitMs(call)]
    const hash = () => hashOf(call, CreateOrderRequestSchema, request)
    const key = name === undefined ? undefined : { key: name, requestHash: hash(), waitMs }
    ctx.gate.checkBacklog()
    const outcome = await gatherer.add({ id, userId, draft, key, call })
    if ('error' in outcome) throw outcome.error
    const { order } = outcome
    // Only a key can bring an order that was there before.
    const first = order.id === id ? { waitMs, answer: null } : await answers.firstOf(ctx.db, order.id)
    if (first.answer) return fromBinary(CreateOrderResponseSchema, first.answer)
    if (first.waitMs === 0) return atOnce(order)
    const answer = await afterEngine(ctx, order, call, first.waitMs)
    // Nobody gets this one any more.
    if (!key || call.signal.aborted) return answer
    const bytes = toBinary(CreateOrderResponseSchema, create(CreateOrderResponseSchema, answer))
    return fromBinary(CreateOrderResponseSchema, await answers.keep(ctx.db, order.id, bytes))
  }

type Answer = MessageInitShape<typeof CreateOrderResponseSchema>

/** The answer without waiting: the same whenever it is asked for, whatever has become of the order since. */
function atOnce({ id: orderId, clientOrderId, commandSeq }: Order) {
  const base = { orderId, clientOrderId: clientOrderId ?? undefined }
  return commandSeq === null
    ? { ...base, status: CreateOrderStatus.REJECTED, message: 'The order was cancelled before it was sent.' }
    : { ...base, status: CreateOrderStatus.ACCEPTED, message: 'The order was accepted.' }
}

/** What the engine made of the order, with the order as it is then. One that is closed by then was accepted once. */
async function afterEngine(ctx: OrderContext, placed: Order, call: CallContext, ms: number): Promise<Answer> {
  const order = await waitForEngine(ctx, placed, call, ms)
  const rejection = { status: CreateOrderStatus.REJECTED, message: 'The order was rejected.' }
  return {
    ...atOnce(order),
    ...(order.state === 'rejected' ? rejection : {}),
    order: await readOrder(ctx.db, order),
  }
}

async function waitForEngine(ctx: OrderContext, placed: Order, call: CallContext, ms: number): Promise<Order> {
  const look = async () => {
    const order = (await orders.byIds(ctx.db, [placed.id])).get(placed.id)
    return order && order.state !== 'submitted' ? order : undefined
  }
  return (await waitUntil(ctx.hub, orderKey(placed.id), waitOf(call, ms), look)) ?? placed
}
