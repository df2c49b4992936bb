import { isUuid } from '@bitka/kernel'
import { type MethodImpl, userOf } from '@bitka/mesh'
import type { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { noSuchOrder } from '../commands/cancel.ts'
import type { OrderContext } from '../context.ts'
import * as orders from '../store/orders.ts'
import { readOrder } from './read-orders.ts'

/** One order of the caller. */
export const getOrder =
  ({ db }: OrderContext): MethodImpl<typeof OrderService.method.getOrder> =>
  async ({ orderId }, call) => {
    const order = isUuid(orderId) ? await orders.ofUser(db, userOf(call).userId, orderId) : undefined
    if (!order) throw noSuchOrder()
    return { order: await readOrder(db, order) }
  }
