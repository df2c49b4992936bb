import { DomainError, invalidField, isUuid } from '@bitka/kernel'
import { type MethodImpl, type UserIdentity, userOf } from '@bitka/mesh'
import type { ListOrdersRequest, OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import { cutPage, decodeCursor, parsePage } from '@bitka/store'
import type { OrderContext } from '../context.ts'
import { statesOf } from '../domain/order.ts'
import { operators } from '../policy.ts'
import * as orders from '../store/orders.ts'
import { pageOf } from './pages.ts'
import { readOrders } from './read-orders.ts'

/** A page of the caller's orders, newest first; of another user's for operators. */
export const listOrders =
  ({ db }: OrderContext): MethodImpl<typeof OrderService.method.listOrders> =>
  async (request, call) => {
    const page = parsePage(request)
    const { cursor } = request
    const afterId = cursor === undefined ? undefined : decodeCursor(cursor, idOf)
    const filter = filterOf(request, userOf(call))
    if (!isUuid(filter.userId))
      return { items: [], pagination: pageOf(page, afterId === undefined ? 0 : undefined, undefined) }
    const [rows, total] = await Promise.all([
      orders.list(db, filter, { afterId, offset: afterId === undefined ? page.offset : 0, limit: page.perPage + 1 }),
      afterId === undefined ? orders.count(db, filter) : undefined,
    ])
    const { items, nextCursor } = cutPage(rows, page.perPage, ({ id }) => id)
    return { items: await readOrders(db, items), pagination: pageOf(page, total, nextCursor) }
  }

function idOf(key: unknown): string {
  if (typeof key !== 'string' || !isUuid(key)) throw new Error('no order id')
  return key
}

function filterOf(request: ListOrdersRequest, user: UserIdentity): orders.ListFilter {
  const { symbol, status, clientOrderId } = request
  const userId = request.userId?.toLowerCase() ?? user.userId
  const isOperator = operators.some((role) => user.roles.includes(role))
  if (userId !== user.userId && !isOperator) {
    throw new DomainError('forbidden', "Only operators may list another user's orders.")
  }
  const states = status === undefined ? undefined : statesOf(status)
  if (states?.length === 0) throw invalidField('status', 'is no status of an order')
  return { userId, symbol, states, clientOrderId }
}
