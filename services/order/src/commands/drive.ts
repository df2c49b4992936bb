import { appendOutbox } from '@bitka/events'
import { crashPoint, DomainError, type ErrorKind } from '@bitka/kernel'
import type { CallContext } from '@bitka/mesh'
import type { AuditInput } from '@bitka/service'
import type { Tx } from '@bitka/store'
import { withSpans } from '@bitka/telemetry'
import { holdFunds } from '../clients/ledger.ts'
import type { OrderContext } from '../context.ts'
import type { Order } from '../domain/order.ts'
import { CommandWriter, newOrder, ORDER_PATIENCE_MS } from '../events/commands.ts'
import { orderCreated } from '../events/order-events.ts'
import * as markets from '../store/markets.ts'
import * as orders from '../store/orders.ts'
import * as placing from '../store/placing.ts'
import { errorOf, type PlaceOutcome, refusalOf } from './admit.ts'

/** A pending order, and the call that placed it; the sweeper has none. */
export type Driven = { order: Order; call?: CallContext }

const HOLD_DEADLINE_MS = 4_000

/** Refusals of the ledger that say nothing about the order: try again. */
const UNDECIDED: ReadonlySet<ErrorKind> = new Set(['unavailable', 'deadline_exceeded', 'internal', 'rate_limited'])

const notNow = (cause?: unknown) =>
  new DomainError('unavailable', 'The order could not be placed right now. Try again with the same key.', {}, { cause })

/**
 * Takes pending orders the rest of their way: funds, then the command. Safe to repeat, side by side and after a crash: a
 * hold is made once, and the row leaves `pending` once. Answers what became of each, by order id.
 */
export async function driveOrders(ctx: OrderContext, driven: readonly Driven[]): Promise<Map<string, PlaceOutcome>> {
  const tooLate = (order: Order) => ctx.clock.nowMs() - order.createdAt.getTime() >= ORDER_PATIENCE_MS
  const intime = driven.filter(({ order }) => !tooLate(order))
  const refusals = await hold(ctx, intime)
  crashPoint('order.create.held', 'order')
  const outcomes = new Map<string, PlaceOutcome>()
  const decided = driven.filter(({ order }) => {
    const refusal = refusals.get(order.id)
    if (!refusal || !UNDECIDED.has(refusal.kind)) return true
    outcomes.set(order.id, { error: notNow(refusal) })
    return false
  })
  if (decided.length === 0) return outcomes
  const settled = await withSpans(ctx.tracing, 'order submit', decided.map(traceparentOf), () =>
    ctx.db.transaction((tx) => settle(ctx, tx, decided, refusals, tooLate)),
  )
  crashPoint('order.create.submitted', 'order')
  const changes = [...settled].flatMap(([, outcome]) => ('order' in outcome ? [outcome.order] : []))
  ctx.hub.ordersChanged(changes.map(({ id, userId }) => ({ orderId: id, userId })))
  for (const [id, outcome] of settled) outcomes.set(id, outcome)
  if (changes.length < settled.size) ctx.wakeSweeper()
  return outcomes
}

const traceparentOf = ({ call }: Driven): string | undefined => call?.traceparent

/** The ledger's refusals, by order id. When it cannot be reached, everything is undecided. */
async function hold(ctx: OrderContext, placed: readonly Driven[]): Promise<Map<string, DomainError>> {
  // Nothing to hold: there was no price to refer to, and the engine will say so.
  const held = placed.filter(({ order }) => order.holdAmount > 0n)
  const needing = held.map(({ order }) => order)
  if (needing.length === 0) return new Map()
  try {
    return await withSpans(ctx.tracing, 'order hold', held.map(traceparentOf), async (traceparent) =>
      holdFunds(ctx.ledger, needing, await markets.shownPositions(ctx.db), {
        deadlineMs: HOLD_DEADLINE_MS,
        ctx: { traceparent },
      }),
    )
  } catch (error) {
    if (!(error instanceof DomainError)) throw error
    ctx.log.warn({ err: error, orders: needing.length }, 'funds could not be held')
    return new Map(needing.map(({ id }) => [id, notNow(error)]))
  }
}

/** The second commit: commands for orders with funds, an end for the others. */
async function settle(
  ctx: OrderContext,
  tx: Tx,
  driven: readonly Driven[],
  refusals: Map<string, DomainError>,
  tooLate: (order: Order) => boolean,
): Promise<Map<string, PlaceOutcome>> {
  const now = ctx.clock.now()
  const slots = await markets.lockForCommands(tx, [...new Set(driven.map(({ order }) => order.symbol))])
  const pending = await placing.lockPending(
    tx,
    driven.map(({ order }) => order.id),
  )
  const writer = new CommandWriter(slots, now.getTime())
  const outcomes = new Map<string, PlaceOutcome>()
  const submitted: (Order & { commandSeq: bigint })[] = []
  const endings: placing.Ending[] = []
  const audits: AuditInput[] = []
  for (const { order, call } of driven) {
    if (!pending.has(order.id) || outcomes.has(order.id)) continue
    const refusal = refusals.get(order.id)
    const error = refusal ?? (tooLate(order) ? notNow() : undefined)
    if (error) {
      outcomes.set(order.id, { error })
      // What the ledger decided is remembered; what never began is not, and its key is free again.
      const isDecided = refusal?.kind === 'insufficient_funds'
      endings.push({ id: order.id, refusal: isDecided ? refusalOf(refusal) : undefined })
    } else {
      const about = { orderId: order.id, traceparent: call?.traceparent }
      const commandSeq = writer.write(order.symbol, newOrder(order, writer.clockLagMs(order.symbol)), about)
      const taken = { ...order, state: 'submitted' as const, commandSeq, revision: order.revision + 1n, updatedAt: now }
      submitted.push(taken)
      outcomes.set(order.id, { order: taken })
    }
    audits.push(auditOf(order, call, error))
  }
  await placing.submit(tx, submitted, now)
  await markets.saveSlots(tx, writer.usedSlots(), true)
  await placing.kill(tx, endings, now)
  const traces = new Map(driven.map(({ order, call }) => [order.id, call?.traceparent]))
  const created = submitted.map((order) => ({ ...orderCreated(order), traceparent: traces.get(order.id) }))
  await appendOutbox(tx, [...writer.records, ...created])
  await ctx.audit(tx, audits)
  await addOvertaken(
    tx,
    driven.filter(({ order }) => !pending.has(order.id)),
    outcomes,
  )
  return outcomes
}

/** Orders that somebody else took on meanwhile: the sweeper, a repeat of the request, or a cancel. */
async function addOvertaken(tx: Tx, driven: readonly Driven[], outcomes: Map<string, PlaceOutcome>): Promise<void> {
  if (driven.length === 0) return
  const found = await orders.byIds(
    tx,
    driven.map(({ order }) => order.id),
  )
  const refusals = await placing.refusalsOf(
    tx,
    driven.map(({ order }) => order.id),
  )
  for (const { order } of driven) {
    const current = found.get(order.id)
    const refusal = refusals.get(order.id)
    if (current && current.state !== 'dead') outcomes.set(order.id, { order: current })
    else outcomes.set(order.id, { error: refusal ? errorOf(refusal) : notNow() })
  }
}

const restCodes: Partial<Record<ErrorKind, string>> = {
  insufficient_funds: 'INSUFFICIENT_FUNDS',
  conflict: 'CONFLICT',
  invalid: 'INVALID_INPUT',
}

const auditOf = (order: Order, call: CallContext | undefined, error: DomainError | undefined): AuditInput => ({
  action: 'order.create',
  outcome: error ? 'refused' : 'succeeded',
  ...(error ? { errorCode: restCodes[error.kind] ?? 'UNAVAILABLE' } : {}),
  target: { type: 'order', id: order.id },
  ...(call ? { ctx: call } : { actor: { kind: 'user', id: order.userId } }),
  details: { symbol: order.symbol },
})
