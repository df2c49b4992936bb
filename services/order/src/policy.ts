import type { ServicePolicy } from '@bitka/mesh'
import type { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'

/** Roles that may name other people's orders and run markets. */
export const operators = ['operator', 'admin'] as const

/** Who may call what. */
export const orderPolicy: ServicePolicy<typeof OrderService> = {
  createOrder: { kind: 'user' },
  listOrders: { kind: 'user' },
  getOrder: { kind: 'user' },
  cancelOrder: { kind: 'user' },
  listFills: { kind: 'user' },
  listFees: { kind: 'user' },
  cancelAllForUser: { kind: 'user', roles: operators },
  createMarket: { kind: 'user', roles: operators },
  updateMarket: { kind: 'user', roles: operators },
  listMarkets: { kind: 'user', roles: operators },
  haltMarket: { kind: 'user', roles: operators },
  resumeMarket: { kind: 'user', roles: operators },
  streamOrders: { kind: 'user' },
  streamFills: { kind: 'user' },
}
