import { num, ref } from './columns.ts'
import type { MarketDefinition, MarketStatus, NewOrder } from './command.ts'
import type { Directory } from './directory.ts'
import type { MatchSink } from './matcher.ts'
import { baseOf, buyerFill, paidFor, type Scale, sellerFill, takerUnitsOf, unitsOf } from './money.ts'
import { BUY, type OrderPool } from './order-pool.ts'
import { closeReasons, type Level, type RejectReason, type Result, rejectReasons, type TradeParty } from './result.ts'

/**
 * Writes down what the matcher tells, as results with ids and money. This is the only place where the engine's counts become
 * bigint amounts, and where an order's id is forgotten once it is closed.
 */
export class Recorder implements MatchSink {
  /** The number of the last result. */
  lastNumber = 0
  private results: Result[] = []
  private bids: Level[] = []
  private asks: Level[] = []
  private seq = 0
  private timeMs = 0
  private incoming: NewOrder | null = null
  private incomingSlot = 0
  private scale: Scale = { num: 1n, den: 1n, lotMinor: 1n }

  constructor(
    private readonly directory: Directory,
    private readonly orders: OrderPool,
  ) {}

  /** Starts the results of a command. */
  begin(seq: number, timeMs: number): void {
    this.seq = seq
    this.timeMs = timeMs
    this.results = []
  }

  take(): Result[] {
    return this.results
  }

  measureBy(scale: Scale): void {
    this.scale = scale
  }

  /** The order that the current command enters; until it closes or rests, its hold follows from the command. */
  enter(slot: number, command: NewOrder): void {
    this.incomingSlot = slot
    this.incoming = command
  }

  leave(): void {
    this.incomingSlot = 0
    this.incoming = null
  }

  private base(): { number: number; seq: number; timeMs: number } {
    this.lastNumber += 1
    return { number: this.lastNumber, seq: this.seq, timeMs: this.timeMs }
  }

  private idsOf(slot: number): { orderId: string; userId: string } {
    return { orderId: this.directory.orderIdOf(slot), userId: this.directory.userIdOf(slot) }
  }

  marketDefined(market: MarketDefinition): void {
    this.results.push({ kind: 'market_defined', ...this.base(), market })
  }

  definitionRejected(market: MarketDefinition): void {
    this.results.push({ kind: 'definition_rejected', ...this.base(), market })
  }

  statusChanged(status: MarketStatus): void {
    this.results.push({ kind: 'status_changed', ...this.base(), status })
  }

  /** An order that was refused before it had a slot. */
  refused(orderId: string, userId: string, reason: RejectReason): void {
    this.results.push({ kind: 'rejected', ...this.base(), orderId, userId, reason })
  }

  cancelRejected(orderId: string, reason: 'unknown_order' | 'order_open'): void {
    this.results.push({ kind: 'cancel_rejected', ...this.base(), orderId, reason })
  }

  allCancelled(userId: string, orders: number): void {
    this.results.push({ kind: 'all_cancelled', ...this.base(), userId, orders })
  }

  accepted(slot: number): void {
    const command = this.incoming as NewOrder
    this.results.push({
      kind: 'accepted',
      ...this.base(),
      ...this.idsOf(slot),
      side: command.side,
      priceTicks: command.priceTicks,
      quantityLots: command.quantityLots,
      holdAfter: this.holdAfter(slot, 0n),
    })
  }

  rejected(slot: number, reason: number): void {
    const name = rejectReasons[reason] as RejectReason
    this.results.push({ kind: 'rejected', ...this.base(), ...this.idsOf(slot), reason: name })
    this.directory.remove(slot)
  }

  trade(tradeNumber: number, maker: number, taker: number, ticks: number, lots: number): void {
    const takerBuys = ref(this.orders.side, taker) === BUY
    const fillUnits = BigInt(ticks) * BigInt(lots)
    const makerParty = this.party(maker, false, lots, fillUnits)
    const takerParty = this.party(taker, true, lots, fillUnits)
    const paid = takerBuys ? takerParty.quote : makerParty.quote
    const received = takerBuys ? makerParty.quote : takerParty.quote
    this.results.push({
      kind: 'trade',
      ...this.base(),
      tradeNumber,
      ticks,
      lots,
      takerSide: takerBuys ? 'buy' : 'sell',
      base: baseOf(this.scale, lots),
      rounding: paid - received,
      maker: makerParty,
      taker: takerParty,
    })
  }

  reduced(slot: number, lots: number): void {
    this.results.push({
      kind: 'reduced',
      ...this.base(),
      ...this.idsOf(slot),
      lots,
      filledLots: num(this.orders.filled, slot),
      remainingLots: this.remainingOf(slot),
      holdAfter: this.holdAfter(slot, unitsOf(this.orders, slot)),
    })
  }

  closed(slot: number, reason: number): void {
    this.results.push({
      kind: 'closed',
      ...this.base(),
      ...this.idsOf(slot),
      reason: closeReasons[reason] ?? 'user',
      filledLots: num(this.orders.filled, slot),
      remainingLots: this.remainingOf(slot),
      holdAfter: 0n,
    })
    this.directory.remove(slot)
  }

  level(side: number, ticks: number, lots: number): void {
    const levels = side === BUY ? this.bids : this.asks
    levels.push({ ticks, lots })
  }

  bookChanged(bookSeq: number): void {
    const bids = this.bids.sort((a, b) => b.ticks - a.ticks)
    const asks = this.asks.sort((a, b) => a.ticks - b.ticks)
    this.results.push({ kind: 'book', ...this.base(), bookSeq, bids, asks })
    this.bids = []
    this.asks = []
  }

  private party(slot: number, isTaker: boolean, lots: number, fillUnits: bigint): TradeParty {
    const { scale, orders } = this
    const units = unitsOf(orders, slot)
    const filled = num(orders.filled, slot)
    const isBuy = ref(orders.side, slot) === BUY
    const feeBps = ref(isTaker ? orders.takerFeeBps : orders.makerFeeBps, slot)
    // What a maker traded before it rested was a taker's, and has a fee of its own.
    const roleLots = isTaker ? filled : filled - num(orders.takerLots, slot)
    const { quote, fee } = isBuy
      ? buyerFill(scale, units, fillUnits, roleLots, lots, feeBps)
      : sellerFill(scale, units, fillUnits, isTaker ? 0n : takerUnitsOf(orders, slot), feeBps)
    return {
      ...this.idsOf(slot),
      quote,
      fee,
      feeAsset: isBuy ? 'base' : 'quote',
      holdAfter: this.holdAfter(slot, units),
      filledLots: filled,
      remainingLots: this.remainingOf(slot),
    }
  }

  /** An order by amount has no quantity, so nothing of one remains. */
  private remainingOf(slot: number): number {
    const isByAmount = slot === this.incomingSlot && this.incoming?.quantityLots === 0
    return isByAmount ? 0 : num(this.orders.remaining, slot)
  }

  /** What the order still needs, when it has traded `units`. */
  private holdAfter(slot: number, units: bigint): bigint {
    const { scale, orders } = this
    const remaining = num(orders.remaining, slot)
    if (remaining === 0) return 0n
    if (ref(orders.side, slot) !== BUY) return baseOf(scale, remaining)
    const paid = paidFor(scale, units)
    const ticks = num(orders.ticks, slot)
    const command = slot === this.incomingSlot ? this.incoming : null
    if (command && ticks === 0) return command.maxQuote - paid
    const needed = paidFor(scale, units + BigInt(ticks) * BigInt(remaining)) - paid
    // Only an IOC or FOK may carry less than its whole price.
    return command && command.maxQuote - paid < needed ? command.maxQuote - paid : needed
  }
}
