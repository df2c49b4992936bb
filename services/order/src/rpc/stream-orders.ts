import { type MethodImpl, userOf } from '@bitka/mesh'
import type { OrderService } from '@bitka/proto/bitka/order/v1/order_pb'
import type { OrderContext } from '../context.ts'
import { isLive, type Order } from '../domain/order.ts'
import * as orders from '../store/orders.ts'
import { readOrders } from './read-orders.ts'
import { changesFor } from './stream.ts'

const NEW_MAX = 1_000

/** The caller's open orders, then each order that changes, as it is by then: a slow reader misses steps, never the end. */
export const streamOrders = (ctx: OrderContext): MethodImpl<typeof OrderService.method.streamOrders> =>
  async function* (_, call) {
    const { userId } = userOf(call)
    const feed = ctx.hub.feed(userId)
    try {
      const view = await OrdersView.open(ctx, userId)
      yield { snapshot: true, items: await readOrders(ctx.db, view.open) }
      for await (const { orderIds, look } of changesFor(ctx, call, feed)) {
        const changed = await view.changed(look ? [...orderIds, ...(await view.missed())] : orderIds)
        if (changed.length > 0) yield { snapshot: false, items: await readOrders(ctx.db, changed) }
      }
    } finally {
      feed.close()
    }
  }

/** What one subscriber has been shown. Bounded by the orders a user may have open. */
class OrdersView {
  /** Open orders, and the revision of each that was shown. */
  private readonly shown: Map<string, bigint>

  private constructor(
    private readonly ctx: OrderContext,
    private readonly userId: string,
    readonly open: Order[],
    private newestId: string,
  ) {
    this.shown = new Map(open.map(({ id, revision }) => [id, revision]))
  }

  static async open(ctx: OrderContext, userId: string): Promise<OrdersView> {
    // The newest first: what is placed in between is shown as new.
    const [newest] = await orders.list(ctx.db, { userId }, { limit: 1 })
    const live = await orders.live(ctx.db, userId)
    const found = await orders.byIds(
      ctx.db,
      live.map(({ id }) => id),
    )
    const open = [...found.values()].filter(isLive).sort((a, b) => (a.id < b.id ? -1 : 1))
    return new OrdersView(ctx, userId, open, newest?.id ?? '00000000-0000-0000-0000-000000000000')
  }

  /** Orders that changed or were placed without this process hearing of it. */
  async missed(): Promise<string[]> {
    const { db } = this.ctx
    const live = new Map((await orders.live(db, this.userId)).map(({ id, revision }) => [id, revision]))
    const closed = [...this.shown.keys()].filter((id) => !live.has(id))
    const moved = [...live].filter(([id, revision]) => this.shown.get(id) !== revision).map(([id]) => id)
    return [...closed, ...moved, ...(await orders.idsAfter(db, this.userId, this.newestId, NEW_MAX))]
  }

  /** Those of the orders that are not shown as they are, oldest first. */
  async changed(ids: readonly string[]): Promise<Order[]> {
    const found = await orders.byIds(this.ctx.db, [...new Set(ids)])
    const news = [...found.values()]
      .filter(({ id, state, revision }) => state !== 'dead' && this.shown.get(id) !== revision)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
    for (const order of news) {
      if (isLive(order)) this.shown.set(order.id, order.revision)
      else this.shown.delete(order.id)
      if (order.id > this.newestId) this.newestId = order.id
    }
    for (const order of found.values()) if (order.state === 'dead') this.shown.delete(order.id)
    return news
  }
}
