import { createHash } from 'node:crypto'
import { assert } from '@bitka/kernel'
import { num, ref } from './columns.ts'
import { type Command, type MarketDefinition, type MarketStatus, type NewOrder, type Side, Stp } from './command.ts'
import { Directory } from './directory.ts'
import type { LevelIndex } from './level-index.ts'
import { hasSameMeasure, type Market, toMarket } from './market.ts'
import { Entry, Matcher, UNBOUNDED_LOTS } from './matcher.ts'
import { unitsWithin } from './money.ts'
import { BUY, OrderPool, SELL } from './order-pool.ts'
import { Recorder } from './recorder.ts'
import { loadResting, restingOn } from './resting.ts'
import { CloseCode, type Level, type Outcome, type RejectReason } from './result.ts'
import { decodeState, type EngineState, encodeState } from './snapshot.ts'
import { fits, setPair } from './wide.ts'

/** The log left out commands: nothing after the gap may be applied. */
export class GapError extends Error {
  override name = 'GapError'
  constructor(
    readonly lastSeq: number,
    readonly seq: number,
  ) {
    super(`command ${seq} follows ${lastSeq}`)
  }
}

/** The visible book: its number, and the best levels of each side. */
export type BookView = { bookSeq: number; bids: Level[]; asks: Level[] }

/** An order that rests in the book. */
export type OpenOrder = {
  orderId: string
  userId: string
  seq: number
  side: Side
  priceTicks: number
  filledLots: number
  remainingLots: number
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value > 0
const isRate = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= 10_000

/**
 * One market: its commands in, its results out. A pure function of the log: the same commands give the same results and the
 * same stateHash() on every run and machine.
 */
export class MarketEngine {
  private readonly directory = new Directory()
  private readonly orders = new OrderPool()
  private readonly recorder = new Recorder(this.directory, this.orders)
  private readonly matcher = new Matcher(this.recorder, this.orders)
  private market: Market | null = null
  private hasHadOrder = false
  private seq = 0
  private timeMs = 0

  /** The seq of the last command applied; 0 before the first. */
  get lastSeq(): number {
    return this.seq
  }

  /** The number of the last result. */
  get lastResultNumber(): number {
    return this.recorder.lastNumber
  }

  get bookSeq(): number {
    return this.matcher.bookSeq
  }

  /** What the log last said the market is, with its status now; null before its definition. */
  get definition(): MarketDefinition | null {
    return this.market?.definition ?? null
  }

  get openOrderCount(): number {
    return this.orders.restingCount
  }

  /**
   * Applies the next command. One that was applied before changes nothing.
   * @throws GapError when a command is missing before it
   */
  apply(command: Command): Outcome {
    if (command.seq <= this.seq) return this.outcome('duplicate', command.seq)
    if (command.seq !== this.seq + 1) throw new GapError(this.seq, command.seq)
    this.seq = command.seq
    this.timeMs = Math.max(this.timeMs, command.timeMs)
    this.recorder.begin(this.seq, this.timeMs)
    switch (command.kind) {
      case 'define_market':
        this.define(command.market)
        break
      case 'set_status':
        this.setStatus(command.status)
        break
      case 'new_order':
        if (this.isOpen(command.orderId)) this.recorder.cancelRejected(command.orderId, 'order_open')
        else this.newOrder(command)
        break
      case 'cancel_order': {
        const orderSeq = this.directory.seqOf(command.orderId)
        if (orderSeq === undefined) this.recorder.cancelRejected(command.orderId, 'unknown_order')
        else this.matcher.cancel(orderSeq, CloseCode[command.reason])
        break
      }
      case 'cancel_all': {
        const user = this.directory.userNumber(command.userId)
        const count = user === undefined ? 0 : this.matcher.cancelAll(user, CloseCode[command.reason])
        this.recorder.allCancelled(command.userId, count)
        break
      }
      case 'reject':
        // A cancel that does not decode names an order that lives on.
        if (this.isOpen(command.orderId)) this.recorder.cancelRejected(command.orderId, 'order_open')
        else this.recorder.refused(command.orderId, command.userId, 'invalid')
    }
    this.matcher.finish()
    return this.outcome('applied', command.seq)
  }

  private isOpen(orderId: string): boolean {
    return this.directory.seqOf(orderId) !== undefined
  }

  private outcome(status: Outcome['status'], seq: number): Outcome {
    const { matcher } = this
    return {
      status,
      seq,
      timeMs: this.timeMs,
      results: status === 'applied' ? this.recorder.take() : [],
      bestBid: matcher.bids.bestTicks() || null,
      bestAsk: matcher.asks.bestTicks() || null,
      lastTrade: matcher.lastTrade || null,
    }
  }

  private define(definition: MarketDefinition): void {
    const next = toMarket(definition)
    if (!next || (this.hasHadOrder && this.market && !hasSameMeasure(this.market, next))) {
      this.recorder.definitionRejected(definition)
      return
    }
    this.become(next)
    this.recorder.marketDefined(definition)
    if (definition.status === 'delisted') this.matcher.closeAll(CloseCode.market_closed)
  }

  private become(market: Market): void {
    this.market = market
    this.recorder.measureBy(market.scale)
    this.matcher.bandBps = market.definition.priceBandBps
  }

  private setStatus(status: MarketStatus): void {
    if (this.market) this.market = { ...this.market, definition: { ...this.market.definition, status } }
    this.recorder.statusChanged(status)
    if (status === 'delisted') this.matcher.closeAll(CloseCode.market_closed)
  }

  private newOrder(command: NewOrder): void {
    const { matcher, recorder, directory, orders } = this
    const refusal = this.refusalOf(command)
    if (refusal) {
      recorder.refused(command.orderId, command.userId, refusal)
      return
    }
    this.hasHadOrder = true
    const isByAmount = command.quantityLots === 0
    const slot = orders.take(
      command.seq,
      directory.claimUser(command.userId),
      command.side === 'buy' ? BUY : SELL,
      command.priceTicks,
      isByAmount ? UNBOUNDED_LOTS : command.quantityLots,
      command.makerFeeBps,
      command.takerFeeBps,
    )
    directory.add(slot, command.seq, command.orderId, command.userId)
    recorder.enter(slot, command)
    matcher.submit(slot, entryOf(command), Stp[command.stp])
    recorder.leave()
  }

  /** Why the order may not enter, in this order; sets the matcher's budget for a buy. */
  private refusalOf(command: NewOrder): RejectReason | null {
    if (this.market?.definition.status !== 'trading') return 'market_halted'
    if (command.validUntilMs > 0 && this.timeMs > command.validUntilMs) return 'expired'
    const { matcher } = this
    const isBuy = command.side === 'buy'
    const isLimit = command.type === 'limit'
    const isByAmount = !isLimit && isBuy && command.quantityLots === 0
    const isPriced = isLimit ? isCount(command.priceTicks) : command.priceTicks === 0
    if (command.orderId === '' || command.userId === '' || !isPriced) return 'invalid'
    if (!isByAmount && !isCount(command.quantityLots)) return 'invalid'
    if (!isRate(command.makerFeeBps) || !isRate(command.takerFeeBps)) return 'invalid'
    if (command.postOnly && !(isLimit && command.timeInForce === 'GTC')) return 'invalid'
    const own = isBuy ? matcher.bids : matcher.asks
    // A level's lots stay a safe integer whatever rests.
    if (own.totalLots + command.quantityLots > Number.MAX_SAFE_INTEGER - 1) return 'invalid'
    if (!isBuy) return command.maxQuote === 0n ? null : 'invalid'
    // A market buy that was placed without a price to refer to: nothing was held for it.
    if (command.maxQuote <= 0n) return isLimit ? 'invalid' : 'no_liquidity'
    setPair(matcher.budget, unitsWithin(this.market.scale, command.maxQuote))
    // What may rest must be able to trade whole within its hold, so that no maker ever runs out of it.
    const mayRest = isLimit && command.timeInForce === 'GTC'
    return mayRest && !fits(matcher.budget, command.priceTicks, command.quantityLots) ? 'invalid' : null
  }

  /** The best `depth` levels of each side; all of them without one. */
  getBook(depth = Number.POSITIVE_INFINITY): BookView {
    const { matcher } = this
    return { bookSeq: matcher.bookSeq, bids: levelsOf(matcher.bids, depth), asks: levelsOf(matcher.asks, depth) }
  }

  /** An order that rests in the book. */
  getOrder(orderId: string): OpenOrder | undefined {
    const seq = this.directory.seqOf(orderId)
    if (seq === undefined) return undefined
    const { orders } = this
    const slot = orders.find(seq)
    return {
      orderId,
      userId: this.directory.userIdOf(slot),
      seq,
      side: ref(orders.side, slot) === BUY ? 'buy' : 'sell',
      priceTicks: num(orders.ticks, slot),
      filledLots: num(orders.filled, slot),
      remainingLots: num(orders.remaining, slot),
    }
  }

  /** The whole state as canonical bytes, for `restore`. */
  snapshot(): Uint8Array {
    const { matcher } = this
    return encodeState({
      definition: this.definition,
      hasHadOrder: this.hasHadOrder,
      lastSeq: this.seq,
      timeMs: this.timeMs,
      resultNumber: this.recorder.lastNumber,
      tradeNumber: matcher.tradeNumber,
      bookSeq: matcher.bookSeq,
      lastTrade: matcher.lastTrade,
      orders: [
        ...restingOn(matcher.bids, this.orders, this.directory),
        ...restingOn(matcher.asks, this.orders, this.directory),
      ],
    })
  }

  /** SHA-256 of the state, in hex. */
  stateHash(): string {
    return createHash('sha256').update(this.snapshot()).digest('hex')
  }

  /** The engine that took the snapshot. @throws Error when the bytes are not one */
  static restore(bytes: Uint8Array): MarketEngine {
    const state = decodeState(bytes)
    const engine = new MarketEngine()
    engine.load(state)
    return engine
  }

  private load(state: EngineState): void {
    const { matcher, recorder } = this
    if (state.definition) {
      const market = toMarket(state.definition)
      assert(market, 'a snapshot holds a definition that was valid')
      this.become(market)
    }
    this.hasHadOrder = state.hasHadOrder
    this.seq = state.lastSeq
    this.timeMs = state.timeMs
    recorder.lastNumber = state.resultNumber
    matcher.tradeNumber = state.tradeNumber
    matcher.bookSeq = state.bookSeq
    matcher.lastTrade = state.lastTrade
    loadResting(state.orders, matcher, this.directory)
  }
}

function entryOf(command: NewOrder): number {
  const isFok = command.timeInForce === 'FOK'
  if (command.type === 'market') {
    if (command.quantityLots === 0) return isFok ? Entry.spendFok : Entry.spend
    return isFok ? Entry.marketFok : Entry.market
  }
  if (command.postOnly) return Entry.postOnly
  if (isFok) return Entry.fok
  return command.timeInForce === 'IOC' ? Entry.ioc : Entry.limit
}

function levelsOf(index: LevelIndex, depth: number): Level[] {
  const levels: Level[] = []
  for (let level = index.best; level !== 0 && levels.length < depth; level = ref(index.worse, level)) {
    levels.push({ ticks: index.ticksOf(level), lots: num(index.lots, level) })
  }
  return levels
}
