import { allItems, BitkaApiError, type BitkaClient, type Order, type OrderBody } from '@bitka/client'
import type { Market } from './market.ts'
import { makerShape, TOLERANCE } from './plans.ts'
import type { Random } from './random.ts'
import type { DemoStats } from './stats.ts'
import { type DriftingPrice, inventory, nextTake, quotesAround, type RestingOrder, reconcile } from './strategy.ts'

/** What the programs of one market share. */
export type Floor = {
  market: Market
  fair: DriftingPrice
  quoteLots: number
  takeLots: number
  halfSpread: number
  stats: DemoStats
  random: Random
}

const REFRESH_MS = 1_000
/** The engine's answer is waited for, so that the next look at the book shows it. */
const WAIT_S = 2

/** One round of a market maker in one market; answers when the next one is due. */
export async function refreshQuotes(client: BitkaClient, floor: Floor): Promise<number> {
  const { market, fair, quoteLots, halfSpread, stats, random } = floor
  fair.move()
  const share = await inventoryOf(client, floor)
  const plan = { ...makerShape, lots: quoteLots, halfSpread }
  const quotes = quotesAround(fair.ticks, share, plan)
  const tolerance = Math.max(1, fair.ticks * halfSpread * TOLERANCE)
  const { cancel, place } = reconcile(await restingOrders(client, market), quotes, tolerance)
  await Promise.all(cancel.map((orderId) => cancelOrder(client, orderId)))
  await Promise.all(
    place.map(({ side, ticks, lots }) =>
      placeOrder(client, stats, {
        symbol: market.symbol,
        side,
        type: 'limit',
        price: market.priceOf(ticks),
        quantity: market.quantityOf(lots),
        post_only: true,
      }),
    ),
  )
  return REFRESH_MS * (0.75 + random() / 2)
}

/** One order of a taker; answers when the next one is due. */
export async function takeOnce(client: BitkaClient, { market, takeLots, stats, random }: Floor): Promise<number> {
  const { side, lots, pauseMs } = nextTake(random, takeLots)
  const quantity = market.quantityOf(lots)
  const order = await placeOrder(client, stats, { symbol: market.symbol, side, type: 'market', quantity })
  stats.traded(order?.fills.length ?? 0)
  return pauseMs
}

/** Cancels everything that somebody has in the book. */
export async function cancelEverything(client: BitkaClient): Promise<number> {
  let cancelled = 0
  for (const status of ['open', 'partially_filled'] as const) {
    const { items } = await client.orders.list({ status, per_page: 200 })
    for (const { order_id } of items) {
      await cancelOrder(client, order_id)
      cancelled += 1
    }
  }
  return cancelled
}

async function inventoryOf(client: BitkaClient, { market, fair }: Floor): Promise<number> {
  const items = await allItems(client.ledger.accounts, {})
  const totalOf = (asset: string): number => {
    const account = items.find((one) => one.asset === asset)
    return account ? Number(account.available) + Number(account.locked) : 0
  }
  return inventory(totalOf(market.base) * Number(market.priceOf(fair.ticks)), totalOf(market.quote))
}

async function restingOrders(client: BitkaClient, market: Market): Promise<RestingOrder[]> {
  const { symbol } = market
  const lists = await Promise.all(
    (['open', 'partially_filled'] as const).map((status) => client.orders.list({ symbol, status, per_page: 200 })),
  )
  return lists.flatMap(({ items }) => items).map((order) => toResting(order, market))
}

const toResting = ({ order_id, side, price, remaining_quantity }: Order, market: Market): RestingOrder => ({
  orderId: order_id,
  side,
  ticks: market.ticksOf(price ?? '0'),
  lots: market.lotsOf(remaining_quantity),
})

/** Undefined when there is no money for it just now, or the market takes no orders; the next round sees to that. */
async function placeOrder(client: BitkaClient, stats: DemoStats, body: OrderBody): Promise<Order | undefined> {
  try {
    const { order } = await client.orders.create(body, { waitSeconds: WAIT_S })
    stats.ordered()
    return order
  } catch (error) {
    if (!(error instanceof BitkaApiError) || !['INSUFFICIENT_FUNDS', 'CONFLICT'].includes(error.code)) throw error
    stats.trouble(error)
    return undefined
  }
}

/** An order that is filled meanwhile needs no cancelling. */
async function cancelOrder(client: BitkaClient, orderId: string): Promise<void> {
  try {
    await client.orders.cancel(orderId)
  } catch (error) {
    if (!(error instanceof BitkaApiError) || error.code !== 'CONFLICT') throw error
  }
}
