import { num, ref } from './columns.ts'
import { Stp } from './command.ts'
import { LevelIndex } from './level-index.ts'
import { BUY, OrderPool } from './order-pool.ts'
import { CloseCode, RejectCode } from './result.ts'
import { affordable, fits, subtractProduct } from './wide.ts'

/** How an order enters. From `market` on it has no limit; from `spend` on it is bounded by its budget alone. */
export const Entry = { limit: 0, postOnly: 1, ioc: 2, fok: 3, market: 4, marketFok: 5, spend: 6, spendFok: 7 } as const

/** The lots of an order that is bounded by its budget alone: more than a side of the book can hold. */
export const UNBOUNDED_LOTS = Number.MAX_SAFE_INTEGER

/**
 * What the matcher tells while it works, in order, with plain numbers. An order is its slot, whose columns are valid during
 * the call: after the fill of a `trade`, before the release of a `closed` or `rejected`.
 */
export type MatchSink = {
  accepted(slot: number): void
  /** `reason` is a RejectCode. */
  rejected(slot: number, reason: number): void
  trade(tradeNumber: number, maker: number, taker: number, ticks: number, lots: number): void
  reduced(slot: number, lots: number): void
  /** `reason` is a CloseCode. */
  closed(slot: number, reason: number): void
  /** A level differs from before the command; 0 lots: it is gone. */
  level(side: number, ticks: number, lots: number): void
  /** All levels of the command were told. */
  bookChanged(bookSeq: number): void
}

/** Why matching stopped. */
const FILLED = 0
const SELF_TRADE = 1
const NO_LIQUIDITY = 2
const OUT_OF_BOUND = 3
const OUT_OF_BUDGET = 4

/** How far a market order may go from the reference price, in ticks, rounded down: exact, since 10 000 divides first. */
function bandWidth(reference: number, bps: number): number {
  const rest = reference % 10_000
  return ((reference - rest) / 10_000) * bps + Math.floor((rest * bps) / 10_000)
}

/**
 * Price-time priority in one market, over numbers only: no clock, no randomness, no I/O, and nothing allocated but room to
 * grow. The caller has checked the command; every call ends with `finish`.
 */
export class Matcher {
  readonly asks: LevelIndex
  readonly bids: LevelIndex
  /** What the next buy may cost, in ticks × lots, as a pair; the caller sets it before `submit`. */
  readonly budget = new Float64Array(2)
  private readonly trialBudget = new Float64Array(2)
  /** The price of the last trade in ticks; 0 before the first. */
  lastTrade = 0
  tradeNumber = 0
  bookSeq = 0
  bandBps = 0
  private changedLevels = 0

  constructor(
    private readonly sink: MatchSink,
    readonly orders: OrderPool = new OrderPool(),
  ) {
    this.asks = new LevelIndex(1, orders)
    this.bids = new LevelIndex(-1, orders)
  }

  /** Enters an order taken from `orders`: refuses it, or matches it and rests or closes what is left. */
  submit(taker: number, entry: number, stp: number): void {
    const { orders } = this
    const isBuy = ref(orders.side, taker) === BUY
    const opposite = isBuy ? this.asks : this.bids
    const isMarket = entry >= Entry.market
    let bound = num(orders.ticks, taker)
    if (isMarket) {
      const reference = this.lastTrade !== 0 ? this.lastTrade : opposite.bestTicks()
      if (reference === 0) {
        this.reject(taker, RejectCode.no_liquidity)
        return
      }
      const width = bandWidth(reference, this.bandBps)
      bound = isBuy ? reference + width : reference - width
    } else if (entry === Entry.postOnly && opposite.isCrossedBy(bound)) {
      this.reject(taker, RejectCode.post_only_would_take)
      return
    }
    const capped = isBuy && (isMarket || !fits(this.budget, bound, num(orders.remaining, taker)))
    const boundKey = opposite.sign * bound
    this.sink.accepted(taker)
    if (
      (entry === Entry.fok || entry === Entry.marketFok || entry === Entry.spendFok) &&
      !this.isFillable(taker, entry, opposite, boundKey, stp, capped)
    ) {
      this.closeTaker(taker, CloseCode.fok)
      return
    }
    const stop = this.match(taker, entry, opposite, boundKey, stp, capped)
    const isOver = stop === FILLED || stop === SELF_TRADE
    if (!isOver && (entry === Entry.limit || entry === Entry.postOnly)) this.rest(taker)
    else this.closeTaker(taker, this.closeReason(taker, entry, stop))
  }

  /** Closes the resting order with that command_seq. False: there is none. */
  cancel(orderSeq: number, reason: number): boolean {
    const slot = this.orders.find(orderSeq)
    if (slot === 0) return false
    this.closeResting(slot, reason)
    return true
  }

  /** Closes a user's resting orders, oldest first; answers how many. */
  cancelAll(user: number, reason: number): number {
    let count = 0
    for (let slot = this.orders.firstOf(user); slot !== 0; slot = this.orders.firstOf(user)) {
      this.closeResting(slot, reason)
      count += 1
    }
    return count
  }

  /** Closes every order: bids, then asks, each from the best price in time priority. */
  closeAll(reason: number): void {
    while (this.bids.best !== 0) this.closeResting(ref(this.bids.head, this.bids.best), reason)
    while (this.asks.best !== 0) this.closeResting(ref(this.asks.head, this.asks.best), reason)
  }

  /** Ends a command: tells the levels that it changed. */
  finish(): void {
    this.changedLevels = 0
    this.bids.drainChanges(this.bidChanged)
    this.asks.drainChanges(this.askChanged)
    if (this.changedLevels === 0) return
    this.bookSeq += 1
    this.sink.bookChanged(this.bookSeq)
  }

  /** Takes the book as it is for the one that everybody knows: after a restore. */
  forgetChanges(): void {
    this.bids.drainChanges(() => {})
    this.asks.drainChanges(() => {})
  }

  private readonly bidChanged = (ticks: number, lots: number): void => {
    this.changedLevels += 1
    this.sink.level(0, ticks, lots)
  }

  private readonly askChanged = (ticks: number, lots: number): void => {
    this.changedLevels += 1
    this.sink.level(1, ticks, lots)
  }

  private match(
    taker: number,
    entry: number,
    opposite: LevelIndex,
    boundKey: number,
    stp: number,
    capped: boolean,
  ): number {
    const { orders } = this
    const user = ref(orders.user, taker)
    let left = num(orders.remaining, taker)
    while (left > 0) {
      const level = opposite.best
      if (level === 0) return NO_LIQUIDITY
      if (num(opposite.tree.key, level) > boundKey) return OUT_OF_BOUND
      const ticks = opposite.ticksOf(level)
      const maker = ref(opposite.head, level)
      let lots = Math.min(left, num(orders.remaining, maker))
      if (capped) {
        lots = affordable(this.budget, ticks, lots)
        if (lots === 0) return OUT_OF_BUDGET
      }
      if (ref(orders.user, maker) === user) {
        if (this.preventSelfTrade(taker, maker, entry, opposite, stp)) return SELF_TRADE
      } else {
        if (capped) subtractProduct(this.budget, ticks, lots)
        this.trade(maker, taker, opposite, level, ticks, lots)
      }
      left = num(orders.remaining, taker)
    }
    return FILLED
  }

  private trade(maker: number, taker: number, opposite: LevelIndex, level: number, ticks: number, lots: number): void {
    const { orders } = this
    orders.fill(maker, ticks, lots)
    orders.fill(taker, ticks, lots)
    opposite.changeLots(level, -lots)
    this.lastTrade = ticks
    this.tradeNumber += 1
    this.sink.trade(this.tradeNumber, maker, taker, ticks, lots)
    if (num(orders.remaining, maker) === 0) this.closeResting(maker, CloseCode.filled)
  }

  /** The incoming order met one of its own user. True: the incoming order is over. */
  private preventSelfTrade(taker: number, maker: number, entry: number, opposite: LevelIndex, stp: number): boolean {
    const { orders } = this
    // An order by amount has no quantity to take from: its decrement is a cancel of the newest.
    if (stp === Stp.cancel_newest || (stp === Stp.decrement_and_cancel && entry >= Entry.spend)) return true
    if (stp !== Stp.decrement_and_cancel) {
      this.closeResting(maker, CloseCode.self_trade)
      return stp === Stp.cancel_both
    }
    const takerLots = num(orders.remaining, taker)
    const makerLots = num(orders.remaining, maker)
    if (makerLots > takerLots) {
      orders.remaining[maker] = makerLots - takerLots
      opposite.changeLots(ref(orders.level, maker), -takerLots)
      this.sink.reduced(maker, takerLots)
      return true
    }
    this.closeResting(maker, CloseCode.self_trade)
    if (makerLots === takerLots) return true
    orders.remaining[taker] = takerLots - makerLots
    this.sink.reduced(taker, makerLots)
    return false
  }

  /** Would the whole order trade (an order by amount: would it spend all that it can)? Looks only. */
  private isFillable(
    taker: number,
    entry: number,
    opposite: LevelIndex,
    boundKey: number,
    stp: number,
    capped: boolean,
  ): boolean {
    const { orders, trialBudget } = this
    const user = ref(orders.user, taker)
    let left = num(orders.remaining, taker)
    let hasTraded = false
    trialBudget.set(this.budget)
    for (let level = opposite.best; level !== 0; level = ref(opposite.worse, level)) {
      if (num(opposite.tree.key, level) > boundKey) return false
      const ticks = opposite.ticksOf(level)
      for (let maker = ref(opposite.head, level); maker !== 0; maker = ref(orders.next, maker)) {
        const wanted = Math.min(left, num(orders.remaining, maker))
        const lots = capped ? affordable(trialBudget, ticks, wanted) : wanted
        if (lots === 0) return entry === Entry.spendFok && hasTraded
        if (ref(orders.user, maker) === user) {
          if (stp === Stp.cancel_oldest) continue
          return false
        }
        if (lots < wanted) return entry === Entry.spendFok
        left -= lots
        if (left === 0) return true
        if (capped) subtractProduct(trialBudget, ticks, lots)
        hasTraded = true
      }
    }
    return false
  }

  /** Why an order that does not rest is over. */
  private closeReason(taker: number, entry: number, stop: number): number {
    if (stop === FILLED) return CloseCode.filled
    if (stop === SELF_TRADE) return CloseCode.self_trade
    if (stop === OUT_OF_BUDGET) {
      const hasSpent = entry >= Entry.spend && num(this.orders.filled, taker) > 0
      return hasSpent ? CloseCode.filled : CloseCode.price_band
    }
    if (entry < Entry.market) return CloseCode.ioc
    return stop === NO_LIQUIDITY ? CloseCode.no_liquidity : CloseCode.price_band
  }

  private rest(slot: number): void {
    const { orders } = this
    orders.startResting(slot)
    const own = ref(orders.side, slot) === BUY ? this.bids : this.asks
    own.enqueue(slot)
  }

  private closeResting(slot: number, reason: number): void {
    const { orders } = this
    const own = ref(orders.side, slot) === BUY ? this.bids : this.asks
    own.dequeue(slot)
    orders.unlink(slot)
    this.sink.closed(slot, reason)
    orders.release(slot)
  }

  private closeTaker(slot: number, reason: number): void {
    this.sink.closed(slot, reason)
    this.orders.release(slot)
  }

  private reject(slot: number, reason: number): void {
    this.sink.rejected(slot, reason)
    this.orders.release(slot)
  }
}
