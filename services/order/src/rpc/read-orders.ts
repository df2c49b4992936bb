import type { OrderSchema } from '@bitka/proto/bitka/order/v1/order_pb'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Order } from '../domain/order.ts'
import * as fills from '../store/fills.ts'
import * as markets from '../store/markets.ts'
import type { Orm } from '../store/tables.ts'
import { Encoder } from './encode.ts'

type OrderInit = MessageInitShape<typeof OrderSchema>

/** Orders as callers see them, with their fills. */
export async function readOrders(db: Orm, orders: readonly Order[]): Promise<OrderInit[]> {
  if (orders.length === 0) return []
  const [views, byOrder] = await Promise.all([
    markets.bySymbols(db, [...new Set(orders.map(({ symbol }) => symbol))]),
    fills.ofOrders(
      db,
      orders.filter(({ filledLots }) => filledLots > 0n).map(({ id }) => id),
    ),
  ])
  const encoder = new Encoder(views)
  return orders.map((order) => encoder.order(order, byOrder.get(order.id) ?? []))
}

export async function readOrder(db: Orm, order: Order): Promise<OrderInit | undefined> {
  const [read] = await readOrders(db, [order])
  return read
}
