import { DomainError, invalidField } from '@bitka/kernel'
import type { CallContext } from '@bitka/mesh'
import type { Tx } from '@bitka/store'
import type { OrderContext } from '../context.ts'
import type { Order } from '../domain/order.ts'
import { type Draft, type Plan, planOf } from '../domain/place.ts'
import * as markets from '../store/markets.ts'
import * as placing from '../store/placing.ts'

/** One request to place an order, read but not yet fitted to its market. */
export type PlaceRequest = {
  /** The id that the order gets if it becomes one. */
  id: string
  userId: string
  draft: Draft
  key: placing.KeyOfCreate | undefined
  call: CallContext
}

/** An order that stands, or why there is none. */
export type PlaceOutcome = { order: Order } | { error: DomainError }

/** What the first commit decided: some outcomes, and the orders that now need their funds. */
export type Admission = { outcomes: Map<PlaceRequest, PlaceOutcome>; placed: Map<PlaceRequest, Order> }

const otherRequest = () => new DomainError('conflict', 'This idempotency key was already used for another request.')
const nameTaken = () =>
  new DomainError('conflict', 'Another of your orders has this client_order_id.', {
    client_order_id: 'was used for another order',
  })
const tooManyOpen = (most: number) =>
  new DomainError('conflict', `You may have ${most} open orders in a market: wait or cancel some.`)

export const refusalOf = ({ kind, message, details }: DomainError): placing.Refusal => ({ kind, message, details })
export const errorOf = ({ kind, message, details }: placing.Refusal): DomainError =>
  new DomainError(kind, message, details)

/**
 * Decides about a batch in one commit: what a key has decided before, what cannot be placed, and which orders are stored
 * as pending. Idempotency first; nothing that was decided is decided again.
 */
export async function admit(ctx: OrderContext, tx: Tx, requests: readonly PlaceRequest[]): Promise<Admission> {
  const admission: Admission = { outcomes: new Map(), placed: new Map() }
  await placing.lockUsers(
    tx,
    requests.map(({ userId }) => userId),
  )
  const fresh = await setKnownAside(tx, requests, admission)
  if (fresh.length === 0) return admission
  const planned = await planAll(ctx, tx, fresh, admission)
  if (planned.length === 0) return admission
  const { within, beyond } = await splitByLimit(tx, planned)
  const stored = await placing.insert(
    tx,
    within.map(({ placement }) => placement),
  )
  const taken = within.filter(({ placement }) => !stored.has(placement.order.id))
  for (const { request, placement } of within) {
    if (stored.has(placement.order.id)) admission.placed.set(request, placement.order)
  }
  await refuse(ctx, tx, taken, () => nameTaken(), admission)
  await refuse(ctx, tx, beyond, ({ openMax }) => tooManyOpen(openMax), admission)
  return admission
}

/** Answers requests whose key was used before; gives back the others. */
async function setKnownAside(
  tx: Tx,
  requests: readonly PlaceRequest[],
  { outcomes, placed }: Admission,
): Promise<PlaceRequest[]> {
  const keyed = requests.flatMap(({ userId, key }) => (key ? [{ userId, key: key.key }] : []))
  const known = await placing.findByKeys(tx, keyed)
  return requests.filter((request) => {
    const { userId, key } = request
    const before = key && known.get(placing.keyName(userId, key.key))
    if (!before) return true
    if (!before.requestHash.equals(key.requestHash)) outcomes.set(request, { error: otherRequest() })
    else if (before.refusal) outcomes.set(request, { error: errorOf(before.refusal) })
    // Nobody knows whether its first request still runs: both do the same, and the row takes it once.
    else if (before.order.state === 'pending') placed.set(request, before.order)
    else outcomes.set(request, { order: before.order })
    return false
  })
}

type Planned = { request: PlaceRequest; placement: placing.Placement; openMax: number }

async function planAll(
  ctx: OrderContext,
  tx: Tx,
  requests: readonly PlaceRequest[],
  { outcomes }: Admission,
): Promise<Planned[]> {
  const views = await markets.forPlacing(tx, [...new Set(requests.map(({ draft }) => draft.symbol))])
  const now = ctx.clock.now()
  return requests.flatMap((request) => {
    try {
      const view = views.get(request.draft.symbol)
      if (!view) throw invalidField('symbol', 'names no market')
      ctx.gate.checkSettlement(view.market)
      const order = pendingOrder(request, planOf(request.draft, view.market, view.position), now)
      return [{ request, placement: { order, key: request.key }, openMax: view.market.maxOpenOrders }]
    } catch (error) {
      if (!(error instanceof DomainError)) throw error
      outcomes.set(request, { error })
      return []
    }
  })
}

const pendingOrder = ({ id, userId }: PlaceRequest, plan: Plan, now: Date): Order => ({
  ...plan,
  id,
  userId,
  filledLots: 0n,
  reducedLots: 0n,
  quoteTotal: 0n,
  state: 'pending',
  cancelReason: null,
  rejectReason: null,
  revision: 0n,
  commandSeq: null,
  cancelSeq: null,
  createdAt: now,
  updatedAt: now,
})

async function splitByLimit(tx: Tx, planned: readonly Planned[]): Promise<{ within: Planned[]; beyond: Planned[] }> {
  const open = await placing.countLive(
    tx,
    planned.map(({ placement }) => placement.order),
  )
  const within: Planned[] = []
  const beyond: Planned[] = []
  for (const item of planned) {
    const { userId, symbol } = item.placement.order
    const at = `${userId} ${symbol}`
    const count = open.get(at) ?? 0
    if (count >= item.openMax) beyond.push(item)
    else {
      within.push(item)
      open.set(at, count + 1)
    }
  }
  return { within, beyond }
}

/** Refuses, and has the key remember it: a row that never becomes an order. */
async function refuse(
  ctx: OrderContext,
  tx: Tx,
  items: readonly Planned[],
  errorFor: (item: Planned) => DomainError,
  { outcomes }: Admission,
): Promise<void> {
  for (const item of items) {
    const error = errorFor(item)
    outcomes.set(item.request, { error })
    const { order, key } = item.placement
    if (key) await placing.insert(tx, [{ order: { ...order, state: 'dead' }, key }], refusalOf(error))
    await ctx.audit(tx, {
      action: 'order.create',
      outcome: 'refused',
      errorCode: 'CONFLICT',
      ctx: item.request.call,
      details: { symbol: order.symbol },
    })
  }
}
