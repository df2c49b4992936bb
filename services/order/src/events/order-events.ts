import type { OutboxRecord } from '@bitka/events'
import { assert, formatMinor } from '@bitka/kernel'
import { OrderCancelledSchema, OrderCreatedSchema, OrderFilledSchema } from '@bitka/proto/bitka/events/v1/orders_pb'
import { create, toBinary } from '@bufbuild/protobuf'
import { formatSteps } from '../domain/decimal.ts'
import { type Market, scaleOf } from '../domain/market.ts'
import type { Order } from '../domain/order.ts'

/** An order is durable and will reach the engine. */
export const orderCreated = ({ id, userId, symbol }: Order): OutboxRecord => ({
  topic: 'trading.orders.created',
  key: id,
  type: OrderCreatedSchema.typeName,
  value: toBinary(OrderCreatedSchema, create(OrderCreatedSchema, { orderId: id, userId, symbol })),
})

/** What an order that has ended as cancelled or filled is worth telling. */
export function orderEnded(order: Order, market: Market): OutboxRecord {
  const { id: orderId, userId, symbol } = order
  if (order.state === 'filled') {
    const scale = scaleOf(market)
    const averageTicks = (order.quoteTotal * scale.den) / (scale.num * order.filledLots)
    const event = create(OrderFilledSchema, {
      orderId,
      userId,
      symbol,
      side: order.side,
      quantity: formatSteps(order.filledLots, scale.lot),
      averagePrice: formatSteps(averageTicks, scale.tick),
      quoteAmount: formatMinor(order.quoteTotal, market.quoteDecimals),
    })
    return {
      topic: 'trading.orders.filled',
      key: orderId,
      type: OrderFilledSchema.typeName,
      value: toBinary(OrderFilledSchema, event),
    }
  }
  assert(order.cancelReason !== null, 'a cancelled order has a reason')
  const event = create(OrderCancelledSchema, { orderId, userId, symbol, reason: order.cancelReason })
  return {
    topic: 'trading.orders.cancelled',
    key: orderId,
    type: OrderCancelledSchema.typeName,
    value: toBinary(OrderCancelledSchema, event),
  }
}
