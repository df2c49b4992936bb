import type { CancelReason, Command, MarketDefinition, NewOrder, Side } from '../src/domain/command.ts'
import type { CloseReason, Level, Outcome, RejectReason, Result, TradeParty } from '../src/domain/result.ts'

/** A mistake on purpose, to show that a comparison with the engine finds it. */
export type Mistake =
  | 'last_in_first_out'
  | 'rounds_each_fill'
  | 'fee_rounds_each_fill'
  | 'one_fee_for_both_roles'
  | 'fok_counts_own_orders'
  | 'band_from_best_price'
  | 'stp_by_resting_order'
  | 'decrement_keeps_level'

type Role = 'maker' | 'taker'
type RefFill = { ticks: bigint; lots: bigint; role: Role }

/** One order with all that happened to it; every amount is worked out from `fills` each time. */
type RefOrder = {
  command: NewOrder
  /** null: a market buy by amount, which has no quantity. */
  remaining: bigint | null
  fills: RefFill[]
  paid: bigint[]
  fees: { role: Role; fee: bigint; received: bigint }[]
}

type Draft = Result extends infer R ? (R extends Result ? Omit<R, 'number' | 'seq' | 'timeMs'> : never) : never

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const up = (a: bigint, b: bigint): bigint => (a % b === 0n ? a / b : a / b + 1n)

/** A decimal string as a fraction. */
function fraction(text: string): { top: bigint; bottom: bigint } {
  const [whole, decimals = ''] = text.split('.') as [string, string?]
  return { top: BigInt(whole + decimals), bottom: 10n ** BigInt(decimals.length) }
}

/**
 * The rules of the market a second time: slow, with arrays, sorting and bigint, and nothing from the engine but types. Where
 * the engine keeps something, this works it out anew.
 */
export class ReferenceBook {
  private definition: MarketDefinition | null = null
  private hasHadOrder = false
  private open: RefOrder[] = []
  private lastSeq = 0
  private timeMs = 0
  private number = 0
  private tradeNumber = 0
  private bookSeq = 0
  private lastTrade = 0n
  private results: Result[] = []

  constructor(private readonly mistake?: Mistake) {}

  apply(command: Command): Outcome {
    if (command.seq <= this.lastSeq) return this.outcome('duplicate', command.seq)
    this.lastSeq = command.seq
    if (command.timeMs > this.timeMs) this.timeMs = command.timeMs
    this.results = []
    const before = { buy: this.levels('buy'), sell: this.levels('sell') }
    this.run(command)
    const bids = this.changes('buy', before.buy, this.levels('buy'))
    const asks = this.changes('sell', before.sell, this.levels('sell'))
    if (bids.length + asks.length > 0) {
      this.bookSeq += 1
      this.tell({ kind: 'book', bookSeq: this.bookSeq, bids, asks })
    }
    return this.outcome('applied', command.seq)
  }

  private run(command: Command): void {
    switch (command.kind) {
      case 'define_market':
        this.define(command.market)
        return
      case 'set_status':
        if (this.definition) this.definition = { ...this.definition, status: command.status }
        this.tell({ kind: 'status_changed', status: command.status })
        if (command.status === 'delisted') this.closeEverything()
        return
      case 'new_order':
        this.newOrder(command)
        return
      case 'cancel_order': {
        const order = this.find(command.orderId)
        if (order) this.closeOpen(order, command.reason)
        else this.tell({ kind: 'cancel_rejected', orderId: command.orderId, reason: 'unknown_order' })
        return
      }
      case 'cancel_all':
        this.cancelAll(command.userId, command.reason)
        return
      case 'reject':
        if (this.find(command.orderId))
          this.tell({ kind: 'cancel_rejected', orderId: command.orderId, reason: 'order_open' })
        else this.refuse(command.orderId, command.userId, 'invalid')
    }
  }

  private define(market: MarketDefinition): void {
    const { top, bottom } = fraction(market.lotSize)
    const isWholeLot = (top * 10n ** BigInt(market.baseDecimals)) % bottom === 0n
    const same = (now: MarketDefinition) =>
      now.symbol === market.symbol && Number(now.tickSize) === Number(market.tickSize) && now.lotSize === market.lotSize
    if (!isWholeLot || (this.hasHadOrder && this.definition && !same(this.definition))) {
      this.tell({ kind: 'definition_rejected', market })
      return
    }
    this.definition = market
    this.tell({ kind: 'market_defined', market })
    if (market.status === 'delisted') this.closeEverything()
  }

  private newOrder(command: NewOrder): void {
    const { orderId, userId, side, type, timeInForce } = command
    if (this.find(orderId)) {
      this.tell({ kind: 'cancel_rejected', orderId, reason: 'order_open' })
      return
    }
    const refusal = this.refusalOf(command)
    if (refusal) {
      this.refuse(orderId, userId, refusal)
      return
    }
    this.hasHadOrder = true
    const remaining = command.quantityLots === 0 ? null : BigInt(command.quantityLots)
    const order: RefOrder = { command, remaining, fills: [], paid: [], fees: [] }
    const best = this.opposite(this.open, side)[0]
    let bound = BigInt(command.priceTicks)
    if (type === 'market') {
      let reference = this.lastTrade
      if (reference === 0n || (this.mistake === 'band_from_best_price' && best)) {
        if (!best) {
          this.refuse(orderId, userId, 'no_liquidity')
          return
        }
        reference = BigInt(best.command.priceTicks)
      }
      const bps = BigInt(this.market().priceBandBps)
      bound = side === 'buy' ? (reference * (10_000n + bps)) / 10_000n : up(reference * (10_000n - bps), 10_000n)
    } else if (command.postOnly && best && this.reaches(side, bound, best)) {
      this.refuse(orderId, userId, 'post_only_would_take')
      return
    }
    this.tell({
      kind: 'accepted',
      orderId,
      userId,
      side,
      priceTicks: command.priceTicks,
      quantityLots: command.quantityLots,
      holdAfter: this.holdAfter(order),
    })
    if (timeInForce === 'FOK' && !this.wouldFill(order, bound)) {
      this.tellClosed(order, 'fok')
      return
    }
    const stop = this.match(order, bound)
    if (stop === 'filled' || stop === 'self_trade') this.tellClosed(order, stop)
    else if (type === 'limit' && timeInForce === 'GTC') this.open.push(order)
    else if (stop === 'out_of_funds') {
      this.tellClosed(order, remaining === null && order.fills.length > 0 ? 'filled' : 'price_band')
    } else if (type === 'limit') this.tellClosed(order, 'ioc')
    else this.tellClosed(order, stop)
  }

  private refusalOf(command: NewOrder): RejectReason | null {
    if (this.definition?.status !== 'trading') return 'market_halted'
    if (command.validUntilMs !== 0 && command.validUntilMs < this.timeMs) return 'expired'
    const { side, type, timeInForce, priceTicks, quantityLots, maxQuote } = command
    const mayRest = type === 'limit' && timeInForce === 'GTC'
    if (type === 'limit' ? priceTicks <= 0 : priceTicks !== 0) return 'invalid'
    if (quantityLots < 0) return 'invalid'
    if (quantityLots === 0 && (type === 'limit' || side === 'sell')) return 'invalid'
    if (command.postOnly && !mayRest) return 'invalid'
    if (command.makerFeeBps < 0 || command.takerFeeBps < 0) return 'invalid'
    if (side === 'sell') return maxQuote === 0n ? null : 'invalid'
    if (maxQuote <= 0n) return type === 'market' ? 'no_liquidity' : 'invalid'
    if (mayRest && this.cost([{ ticks: BigInt(priceTicks), lots: BigInt(quantityLots) }]) > maxQuote) return 'invalid'
    return null
  }

  /** Runs the order on a copy of the market, and looks whether it traded whole. */
  private wouldFill(order: RefOrder, bound: bigint): boolean {
    const copy = new ReferenceBook(this.mistake)
    copy.definition = this.definition
    copy.lastTrade = this.lastTrade
    copy.open = this.open.map((other) => ({
      ...other,
      fills: [...other.fills],
      paid: [...other.paid],
      fees: [...other.fees],
    }))
    const trial: RefOrder = { ...order, fills: [], paid: [], fees: [] }
    if (this.mistake === 'fok_counts_own_orders') trial.command = { ...trial.command, userId: 'nobody' }
    const stop = copy.match(trial, bound)
    if (order.remaining === null) return stop === 'out_of_funds' && trial.fills.length > 0
    return trial.fills.reduce((sum, { lots }) => sum + lots, 0n) === order.remaining
  }

  private match(
    taker: RefOrder,
    bound: bigint,
  ): 'filled' | 'self_trade' | 'out_of_funds' | 'no_liquidity' | 'price_band' {
    const { side } = taker.command
    while (taker.remaining === null || taker.remaining > 0n) {
      const maker = this.opposite(this.open, side)[0]
      if (!maker) return 'no_liquidity'
      if (!this.reaches(side, bound, maker)) return 'price_band'
      const ticks = BigInt(maker.command.priceTicks)
      const makerLots = maker.remaining ?? 0n
      const wanted = taker.remaining === null ? makerLots : min(taker.remaining, makerLots)
      const lots = side === 'buy' ? this.withinFunds(taker, ticks, wanted) : wanted
      if (lots === 0n) return 'out_of_funds'
      if (maker.command.userId === taker.command.userId) {
        if (this.preventSelfTrade(taker, maker)) return 'self_trade'
      } else this.trade(maker, taker, ticks, lots)
    }
    return 'filled'
  }

  /** The most lots that keep everything paid within max_quote, by halving. */
  private withinFunds(taker: RefOrder, ticks: bigint, wanted: bigint): bigint {
    const canBuy = (lots: bigint) => this.cost([...taker.fills, { ticks, lots }]) <= taker.command.maxQuote
    let low = 0n
    let high = wanted
    while (low < high) {
      const middle = (low + high + 1n) / 2n
      if (canBuy(middle)) low = middle
      else high = middle - 1n
    }
    return low
  }

  /** True: the incoming order is over. */
  private preventSelfTrade(taker: RefOrder, maker: RefOrder): boolean {
    const choice = this.mistake === 'stp_by_resting_order' ? maker.command.stp : taker.command.stp
    if (choice === 'cancel_newest') return true
    if (choice === 'cancel_oldest' || choice === 'cancel_both') {
      this.closeOpen(maker, 'self_trade')
      return choice === 'cancel_both'
    }
    if (taker.remaining === null || maker.remaining === null) return true
    const common = min(taker.remaining, maker.remaining)
    if (maker.remaining > common) {
      maker.remaining -= common
      if (this.mistake === 'decrement_keeps_level') maker.remaining += 1n
      this.tellReduced(maker, common)
      return true
    }
    this.closeOpen(maker, 'self_trade')
    if (taker.remaining === common) return true
    taker.remaining -= common
    this.tellReduced(taker, common)
    return false
  }

  private trade(maker: RefOrder, taker: RefOrder, ticks: bigint, lots: bigint): void {
    this.lastTrade = ticks
    this.tradeNumber += 1
    const makerParty = this.fill(maker, { ticks, lots, role: 'maker' })
    const takerParty = this.fill(taker, { ticks, lots, role: 'taker' })
    const [buyer, seller] = taker.command.side === 'buy' ? [takerParty, makerParty] : [makerParty, takerParty]
    this.tell({
      kind: 'trade',
      tradeNumber: this.tradeNumber,
      ticks: Number(ticks),
      lots: Number(lots),
      takerSide: taker.command.side,
      base: this.base(lots),
      rounding: buyer.quote - seller.quote,
      maker: makerParty,
      taker: takerParty,
    })
    if (maker.remaining === 0n) this.closeOpen(maker, 'filled')
  }

  private fill(order: RefOrder, fill: RefFill): TradeParty {
    const { command } = order
    const isBuy = command.side === 'buy'
    const value = (fills: RefFill[]) => (isBuy ? this.cost(fills) : this.proceeds(fills))
    order.fills.push(fill)
    if (order.remaining !== null) order.remaining -= fill.lots
    const paidBefore = order.paid.reduce((sum, amount) => sum + amount, 0n)
    const quote = this.mistake === 'rounds_each_fill' ? value([fill]) : value(order.fills) - paidBefore
    order.paid.push(quote)
    const received = isBuy ? this.base(fill.lots) : quote
    const role = this.mistake === 'one_fee_for_both_roles' ? 'taker' : fill.role
    const rate = BigInt(role === 'maker' ? command.makerFeeBps : command.takerFeeBps)
    const earlier = order.fees.filter((one) => one.role === role)
    const total = earlier.reduce((sum, one) => sum + one.received, received)
    const charged = earlier.reduce((sum, one) => sum + one.fee, 0n)
    const fee =
      this.mistake === 'fee_rounds_each_fill' ? up(received * rate, 10_000n) : up(total * rate, 10_000n) - charged
    order.fees.push({ role, fee, received })
    return {
      orderId: command.orderId,
      userId: command.userId,
      quote,
      fee,
      feeAsset: isBuy ? 'base' : 'quote',
      holdAfter: this.holdAfter(order),
      filledLots: this.filledLots(order),
      remainingLots: Number(order.remaining ?? 0n),
    }
  }

  private holdAfter(order: RefOrder): bigint {
    const { side, type, priceTicks, maxQuote } = order.command
    if (order.remaining === 0n) return 0n
    if (side === 'sell') return this.base(order.remaining ?? 0n)
    const paid = order.paid.reduce((sum, amount) => sum + amount, 0n)
    if (type === 'market') return maxQuote - paid
    const rest = { ticks: BigInt(priceTicks), lots: order.remaining ?? 0n }
    return min(this.cost([...order.fills, rest]) - this.cost(order.fills), maxQuote - paid)
  }

  private market(): MarketDefinition {
    if (!this.definition) throw new Error('no market')
    return this.definition
  }

  /** Quote minor units of some fills as top ÷ bottom. */
  private notional(fills: { ticks: bigint; lots: bigint }[]): { top: bigint; bottom: bigint } {
    const market = this.market()
    const tick = fraction(market.tickSize)
    const lot = fraction(market.lotSize)
    const units = fills.reduce((sum, { ticks, lots }) => sum + ticks * lots, 0n)
    return { top: units * tick.top * lot.top * 10n ** BigInt(market.quoteDecimals), bottom: tick.bottom * lot.bottom }
  }

  private cost(fills: { ticks: bigint; lots: bigint }[]): bigint {
    const { top, bottom } = this.notional(fills)
    return up(top, bottom)
  }

  private proceeds(fills: { ticks: bigint; lots: bigint }[]): bigint {
    const { top, bottom } = this.notional(fills)
    return top / bottom
  }

  private base(lots: bigint): bigint {
    const market = this.market()
    const lot = fraction(market.lotSize)
    return (lots * lot.top * 10n ** BigInt(market.baseDecimals)) / lot.bottom
  }

  private filledLots(order: RefOrder): number {
    return Number(order.fills.reduce((sum, { lots }) => sum + lots, 0n))
  }

  private reaches(side: Side, bound: bigint, maker: RefOrder): boolean {
    const price = BigInt(maker.command.priceTicks)
    return side === 'buy' ? price <= bound : price >= bound
  }

  /** The orders that an order of `side` trades with, best first. */
  private opposite(orders: RefOrder[], side: Side): RefOrder[] {
    return this.sorted(orders.filter((order) => order.command.side !== side))
  }

  private sorted(orders: RefOrder[]): RefOrder[] {
    const age = this.mistake === 'last_in_first_out' ? -1 : 1
    return [...orders].sort((a, b) => {
      const price = a.command.priceTicks - b.command.priceTicks
      if (price !== 0) return a.command.side === 'sell' ? price : -price
      return age * (a.command.seq - b.command.seq)
    })
  }

  private find(orderId: string): RefOrder | undefined {
    return this.open.find((order) => order.command.orderId === orderId)
  }

  private cancelAll(userId: string, reason: CancelReason): void {
    const own = this.open.filter((order) => order.command.userId === userId)
    own.sort((a, b) => a.command.seq - b.command.seq)
    for (const order of own) this.closeOpen(order, reason)
    this.tell({ kind: 'all_cancelled', userId, orders: own.length })
  }

  private closeEverything(): void {
    for (const side of ['buy', 'sell'] as const) {
      const orders = this.sorted(this.open.filter((order) => order.command.side === side))
      for (const order of orders) this.closeOpen(order, 'market_closed')
    }
  }

  private closeOpen(order: RefOrder, reason: CloseReason): void {
    this.open = this.open.filter((other) => other !== order)
    this.tellClosed(order, reason)
  }

  private ids({ command }: RefOrder): { orderId: string; userId: string } {
    return { orderId: command.orderId, userId: command.userId }
  }

  private refuse(orderId: string, userId: string, reason: RejectReason): void {
    this.tell({ kind: 'rejected', orderId, userId, reason })
  }

  private tellReduced(order: RefOrder, lots: bigint): void {
    const remainingLots = Number(order.remaining ?? 0n)
    const filledLots = this.filledLots(order)
    const holdAfter = this.holdAfter(order)
    this.tell({ kind: 'reduced', ...this.ids(order), lots: Number(lots), filledLots, remainingLots, holdAfter })
  }

  private tellClosed(order: RefOrder, reason: CloseReason): void {
    const remainingLots = Number(order.remaining ?? 0n)
    this.tell({
      kind: 'closed',
      ...this.ids(order),
      reason,
      filledLots: this.filledLots(order),
      remainingLots,
      holdAfter: 0n,
    })
  }

  private tell(result: Draft): void {
    this.number += 1
    this.results.push({ ...result, number: this.number, seq: this.lastSeq, timeMs: this.timeMs } as Result)
  }

  private levels(side: Side): Map<number, bigint> {
    const levels = new Map<number, bigint>()
    for (const { command, remaining } of this.open) {
      if (command.side !== side) continue
      levels.set(command.priceTicks, (levels.get(command.priceTicks) ?? 0n) + (remaining ?? 0n))
    }
    return new Map([...levels].sort(([a], [b]) => (side === 'sell' ? a - b : b - a)))
  }

  private changes(side: Side, before: Map<number, bigint>, after: Map<number, bigint>): Level[] {
    const prices = [...new Set([...before.keys(), ...after.keys()])]
    const changed = prices.filter((ticks) => before.get(ticks) !== after.get(ticks))
    changed.sort((a, b) => (side === 'sell' ? a - b : b - a))
    return changed.map((ticks) => ({ ticks, lots: Number(after.get(ticks) ?? 0n) }))
  }

  private outcome(status: Outcome['status'], seq: number): Outcome {
    return {
      status,
      seq,
      timeMs: this.timeMs,
      results: status === 'applied' ? this.results : [],
      bestBid: [...this.levels('buy').keys()][0] ?? null,
      bestAsk: [...this.levels('sell').keys()][0] ?? null,
      lastTrade: this.lastTrade === 0n ? null : Number(this.lastTrade),
    }
  }
}
