import { appendOutbox, type StoredRecord } from '@bitka/events'
import { assert, crashPoint } from '@bitka/kernel'
import { MatchResultsSchema } from '@bitka/proto/bitka/events/v1/trading_pb'
import type { Tx } from '@bitka/store'
import { fromBinary } from '@bufbuild/protobuf'
import { applyMessage, type Board, emptyBoard, orderIdsOf } from '../domain/apply.ts'
import type { Hub } from '../hub.ts'
import * as fills from '../store/fills.ts'
import * as markets from '../store/markets.ts'
import * as orders from '../store/orders.ts'
import { orderEnded } from './order-events.ts'

export const RESULTS = 'trading.matches.executed'

/**
 * Applies what the engine said, in one commit for many records. Anything that does not fit throws, and the consumer stops
 * there: a copy that is wrong must not be shown.
 */
export const applyResults =
  ({ hub }: { hub: Hub }) =>
  async (tx: Tx, records: StoredRecord[]): Promise<void> => {
    const messages = records.map(({ value }) => fromBinary(MatchResultsSchema, value))
    await fills.lockNumbers(tx)
    const board: Board = {
      ...emptyBoard(),
      positions: await markets.lockPositions(tx, [...new Set(messages.map(({ symbol }) => symbol))]),
      orders: await orders.lock(tx, [...new Set(messages.flatMap(orderIdsOf))]),
    }
    const traces = new Map<string, string | undefined>()
    messages.forEach((message, at) => {
      const before = board.ended.length
      applyMessage(board, message)
      for (const { id } of board.ended.slice(before)) traces.set(id, records[at]?.headers.traceparent)
    })
    const changed = [...board.changed].flatMap((id) => board.orders.get(id) ?? [])
    await orders.saveApplied(tx, changed)
    await fills.insert(tx, board.fills)
    await markets.savePositions(tx, [...board.positions.values()])
    await announce(tx, board, traces)
    tx.afterCommit(() => {
      crashPoint('order.results.committed', 'order')
      hub.ordersChanged(changed.map(({ id, userId }) => ({ orderId: id, userId })))
      for (const symbol of board.positions.keys()) hub.marketChanged(symbol)
    })
  }

/** `traces`: the trace of the command that ended an order, by its id. */
async function announce(tx: Tx, { ended }: Board, traces: ReadonlyMap<string, string | undefined>): Promise<void> {
  if (ended.length === 0) return
  const views = await markets.bySymbols(tx, [...new Set(ended.map(({ symbol }) => symbol))])
  const events = ended.map((order) => {
    const view = views.get(order.symbol)
    assert(view, 'an order has a market')
    return { ...orderEnded(order, view.market), traceparent: traces.get(order.id) }
  })
  await appendOutbox(tx, events)
}
