import { appendOutbox } from '@bitka/events'
import { assert, crashPoint, DomainError, isUuid } from '@bitka/kernel'
import type { CallContext } from '@bitka/mesh'
import { CancelReason } from '@bitka/proto/bitka/common/v1/market_pb'
import type { Tx } from '@bitka/store'
import type { OrderContext } from '../context.ts'
import { isLive, type Order } from '../domain/order.ts'
import { CommandWriter } from '../events/commands.ts'
import { orderKey, waitUntil } from '../hub.ts'
import * as markets from '../store/markets.ts'
import * as orders from '../store/orders.ts'

/** `cancelled`: it is over. `requested`: the engine has been asked, durably. */
export type CancelOutcome = 'cancelled' | 'requested'

export type CancelRequest = {
  userId: string
  orderId: string
  call: CallContext
  /** For the audit log. */
  details: Readonly<Record<string, string>>
}

export const noSuchOrder = () => new DomainError('not_found', 'There is no such order.')

const isOver = ({ state }: Order) => new DomainError('conflict', `The order is ${state}: there is nothing to cancel.`)

/**
 * Asks for an order to be cancelled; the caller commits. Whatever the market's status and however full the outbox is: an
 * order can always be taken back. A repeat adds no second command.
 */
export async function requestCancel(ctx: OrderContext, tx: Tx, request: CancelRequest): Promise<CancelOutcome> {
  const { userId, orderId } = request
  const found = isUuid(orderId) ? await orders.ofUser(tx, userId, orderId) : undefined
  if (!found) throw noSuchOrder()
  const slots = await markets.lockForCommands(tx, [found.symbol])
  const order = (await orders.lock(tx, [orderId])).get(found.id)
  assert(order, 'orders are never deleted')
  if (order.state === 'dead') throw noSuchOrder()
  if (order.state === 'filled' || order.state === 'rejected') throw isOver(order)
  if (order.state === 'cancelled') return 'cancelled'
  if (order.cancelSeq !== null) return 'requested'
  const now = ctx.clock.now()
  tx.afterCommit(() => crashPoint('order.cancel.committed', 'order'))
  await ctx.audit(tx, {
    action: 'order.cancel',
    outcome: 'succeeded',
    target: { type: 'order', id: order.id },
    ctx: request.call,
    details: { symbol: order.symbol, ...request.details },
  })
  if (order.state === 'pending') {
    await orders.cancelPending(tx, [order.id], CancelReason.USER, now)
    tx.afterCommit(() => ctx.hub.ordersChanged([{ orderId: order.id, userId }]))
    tx.afterCommit(ctx.wakeSweeper)
    return 'cancelled'
  }
  const writer = new CommandWriter(slots, now.getTime())
  const body = { case: 'cancelOrder' as const, value: { orderId: order.id, reason: CancelReason.USER } }
  const cancelSeq = writer.write(order.symbol, body, { orderId: order.id, traceparent: request.call.traceparent })
  await orders.setCancelSeq(tx, [{ id: order.id, cancelSeq }], now)
  await markets.saveSlots(tx, writer.usedSlots(), false)
  await appendOutbox(tx, writer.records)
  return 'requested'
}

/** Waits for the engine to be done with an order. Answers the order as it is then. */
export async function waitForEnd(
  ctx: OrderContext,
  orderId: string,
  options: { ms: number; signal: AbortSignal },
): Promise<Order | undefined> {
  return waitUntil(ctx.hub, orderKey(orderId), options, async () => {
    const order = (await orders.byIds(ctx.db, [orderId])).get(orderId)
    return order && !isLive(order) ? order : undefined
  })
}

/** What a finished wait means for somebody who asked for a cancel: the order may have been quicker. */
export function checkCancelled(order: Order): void {
  if (order.state === 'filled' || order.state === 'rejected') throw isOver(order)
}

/** Asks for every open order of a user, a lower-case UUID, to be cancelled; answers how many there are. The caller commits. */
export async function requestCancelAll(
  ctx: OrderContext,
  tx: Tx,
  { userId, call }: { userId: string; call: CallContext },
): Promise<number> {
  const open = await orders.live(tx, userId)
  const now = ctx.clock.now()
  const symbols = [...new Set(open.map(({ symbol }) => symbol))].sort()
  const slots = await markets.lockForCommands(tx, symbols)
  const locked = [
    ...(
      await orders.lock(
        tx,
        open.map(({ id }) => id),
      )
    ).values(),
  ].filter(isLive)
  const pending = locked.filter(({ state }) => state === 'pending')
  await orders.cancelPending(
    tx,
    pending.map(({ id }) => id),
    CancelReason.USER,
    now,
  )
  const writer = new CommandWriter(slots, now.getTime())
  const asked: { id: string; cancelSeq: bigint }[] = []
  for (const symbol of symbols) {
    const mine = locked.filter(
      (order) => order.symbol === symbol && order.state !== 'pending' && order.cancelSeq === null,
    )
    if (mine.length === 0) continue
    const body = { case: 'cancelAll' as const, value: { userId, reason: CancelReason.USER } }
    const cancelSeq = writer.write(symbol, body, { traceparent: call.traceparent })
    asked.push(...mine.map(({ id }) => ({ id, cancelSeq })))
  }
  await orders.setCancelSeq(tx, asked, now)
  await markets.saveSlots(tx, writer.usedSlots(), false)
  await appendOutbox(tx, writer.records)
  await ctx.audit(tx, {
    action: 'admin.order.cancel-all',
    outcome: 'succeeded',
    target: { type: 'user', id: userId },
    ctx: call,
    details: { orders: String(locked.length) },
  })
  tx.afterCommit(() => crashPoint('order.cancel.committed', 'order'))
  if (pending.length > 0) {
    tx.afterCommit(() => ctx.hub.ordersChanged(pending.map(({ id }) => ({ orderId: id, userId }))))
    tx.afterCommit(ctx.wakeSweeper)
  }
  return locked.length
}
