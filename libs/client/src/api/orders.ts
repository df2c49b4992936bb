import type { CallOptions, Transport } from '../http/transport.ts'
import type { Page, PageQuery } from '../types/common.ts'
import type {
  CancelBody,
  FeeRates,
  FillsQuery,
  Order,
  OrderBody,
  OrderCancelled,
  OrderFill,
  OrderPlaced,
  OrdersQuery,
} from '../types/orders.ts'

export type PlaceOptions = CallOptions & {
  /** Wait up to so many seconds (5 at most) for the engine, and have the order in the answer. */
  waitSeconds?: number
}

/** Orders, their fills and what they cost. */
export const ordersApi = (transport: Transport) => ({
  create: (body: OrderBody, options: PlaceOptions = {}): Promise<OrderPlaced> =>
    transport.send({
      method: 'POST',
      path: '/v1/orders',
      body,
      keyed: true,
      headers: options.waitSeconds === undefined ? {} : { prefer: `wait=${options.waitSeconds}` },
      options,
    }),

  list: (query: OrdersQuery = {}, options?: CallOptions): Promise<Page<Order>> =>
    transport.send({ method: 'GET', path: '/v1/orders', query, options }),

  get: (orderId: string, options?: CallOptions): Promise<Order> =>
    transport.send({ method: 'GET', path: `/v1/orders/${encodeURIComponent(orderId)}`, options }),

  cancel: (orderId: string, body?: CancelBody, options?: CallOptions): Promise<OrderCancelled> =>
    transport.send({
      method: 'DELETE',
      path: `/v1/orders/${encodeURIComponent(orderId)}`,
      body,
      keyed: true,
      options,
    }),

  fills: (query: FillsQuery = {}, options?: CallOptions): Promise<Page<OrderFill>> =>
    transport.send({ method: 'GET', path: '/v1/fills', query, options }),

  /** The caller's own rates. */
  fees: (query: PageQuery = {}, options?: CallOptions): Promise<Page<FeeRates>> =>
    transport.send({ method: 'GET', path: '/v1/fees', query, options }),
})
