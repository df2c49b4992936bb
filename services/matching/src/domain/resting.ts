import { num, ref } from './columns.ts'
import type { Directory } from './directory.ts'
import type { LevelIndex } from './level-index.ts'
import type { Matcher } from './matcher.ts'
import { BUY, type OrderPool } from './order-pool.ts'
import type { OrderState } from './snapshot.ts'

/** The orders of one side, from the best price in time priority. */
export function* restingOn(index: LevelIndex, orders: OrderPool, directory: Directory): Generator<OrderState> {
  for (let level = index.best; level !== 0; level = ref(index.worse, level)) {
    for (let slot = ref(index.head, level); slot !== 0; slot = ref(orders.next, slot)) {
      yield {
        orderId: directory.orderIdOf(slot),
        userId: directory.userIdOf(slot),
        seq: num(orders.seq, slot),
        side: ref(orders.side, slot),
        ticks: num(orders.ticks, slot),
        remaining: num(orders.remaining, slot),
        filled: num(orders.filled, slot),
        unitsHigh: num(orders.unitsHigh, slot),
        unitsLow: num(orders.unitsLow, slot),
        takerLots: num(orders.takerLots, slot),
        takerHigh: num(orders.takerHigh, slot),
        takerLow: num(orders.takerLow, slot),
        makerFeeBps: ref(orders.makerFeeBps, slot),
        takerFeeBps: ref(orders.takerFeeBps, slot),
      }
    }
  }
}

/** Puts the orders of a snapshot, which are in the order of the book, back into an empty one. */
export function loadResting(states: OrderState[], matcher: Matcher, directory: Directory): void {
  const { orders } = matcher
  const slots = states.map((order) => {
    const user = directory.claimUser(order.userId)
    const { seq, side, ticks, remaining, makerFeeBps, takerFeeBps } = order
    const slot = orders.take(seq, user, side, ticks, remaining, makerFeeBps, takerFeeBps)
    directory.add(slot, seq, order.orderId, order.userId)
    orders.filled[slot] = order.filled
    orders.unitsHigh[slot] = order.unitsHigh
    orders.unitsLow[slot] = order.unitsLow
    orders.takerLots[slot] = order.takerLots
    orders.takerHigh[slot] = order.takerHigh
    orders.takerLow[slot] = order.takerLow
    const own = side === BUY ? matcher.bids : matcher.asks
    own.enqueue(slot)
    return slot
  })
  // Users' lists are in the order of entry, not of the book.
  slots.sort((a, b) => num(orders.seq, a) - num(orders.seq, b))
  for (const slot of slots) orders.link(slot)
  matcher.forgetChanges()
}
