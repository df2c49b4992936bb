import type { Random } from './random.ts'

/** Prices are whole ticks and quantities whole lots. */
export type Quote = { side: 'buy' | 'sell'; ticks: number; lots: number }
export type RestingOrder = Quote & { orderId: string }

export type MakerPlan = {
  /** Quotes on each side. */
  levels: number
  /** From the fair price to the first quote, and from quote to quote, in parts of the price. */
  halfSpread: number
  /** Lots of one quote. */
  lots: number
  /** How far quotes move, in half spreads, when the maker has all of its money in one of the two assets. */
  skew: number
}

/** The fair price of a market: a walk that is pulled back to where it began, so that it never runs away. */
export class DriftingPrice {
  private current: number

  constructor(
    private readonly home: number,
    private readonly random: Random,
    /** The size of a step, and how strong the pull is, in parts of the price. */
    private readonly options: { step: number; pull: number } = { step: 0.0004, pull: 0.01 },
  ) {
    this.current = home
  }

  get ticks(): number {
    return Math.max(1, Math.round(this.current))
  }

  move(): void {
    const { step, pull } = this.options
    this.current += this.current * step * (2 * this.random() - 1) + (this.home - this.current) * pull
  }
}

/** How much of the maker's wealth is in the base asset, from −1 (none) over 0 (half) to 1 (all). */
export function inventory(baseLots: number, quoteInLots: number): number {
  const wealth = baseLots + quoteInLots
  return wealth > 0 ? (2 * baseLots) / wealth - 1 : 0
}

/** Quotes around the fair price. With too much of the base asset they move down, to sell more than is bought. */
export function quotesAround(fairTicks: number, share: number, plan: MakerPlan): Quote[] {
  const half = Math.max(1, fairTicks * plan.halfSpread)
  const middle = fairTicks - share * plan.skew * half
  return Array.from({ length: plan.levels }, (_, level) => half * (level + 1)).flatMap((distance): Quote[] => [
    { side: 'buy', ticks: Math.max(1, Math.floor(middle - distance)), lots: plan.lots },
    { side: 'sell', ticks: Math.max(2, Math.ceil(middle + distance)), lots: plan.lots },
  ])
}

/**
 * What to cancel and what to place so that the book holds the quotes. An order stays when it is near enough to a quote and
 * has most of its lots, since each replacement costs its place in the queue.
 */
export function reconcile(
  resting: readonly RestingOrder[],
  quotes: readonly Quote[],
  toleranceTicks: number,
): { cancel: string[]; place: Quote[] } {
  const free = new Set(resting)
  const place = quotes.filter((quote) => {
    const kept = [...free].find(
      ({ side, ticks, lots }) =>
        side === quote.side && Math.abs(ticks - quote.ticks) <= toleranceTicks && lots * 2 >= quote.lots,
    )
    if (kept) free.delete(kept)
    return !kept
  })
  return { cancel: [...free].map(({ orderId }) => orderId), place }
}

/** What a taker does next: mostly small orders, now and then a large one that eats into the book. */
export function nextTake(random: Random, lots: number): { side: 'buy' | 'sell'; lots: number; pauseMs: number } {
  const side = random() < 0.5 ? 'buy' : 'sell'
  const factor = random() < 0.05 ? 6 : 0.2 + random()
  // Pauses of a Poisson process: buyers do not come at fixed times.
  const pauseMs = Math.min(5_000, -Math.log(1 - random()) * 800)
  return { side, lots: Math.max(1, Math.round(lots * factor)), pauseMs }
}
