import assert from 'node:assert/strict'
import type { Command, NewOrder } from '../src/domain/command.ts'
import type { MarketEngine } from '../src/domain/engine.ts'
import type { LevelIndex } from '../src/domain/level-index.ts'
import type { Matcher } from '../src/domain/matcher.ts'
import type { BookChanged, Level, Outcome, Result, Trade, TradeParty } from '../src/domain/result.ts'

type Order = {
  command: NewOrder
  remaining: number
  filled: number
  hold: bigint
  paid: bigint
  received: bigint
  fee: bigint
}

/**
 * Reads an engine's results as a ledger and a market-data service would, and asserts after every command what must always hold.
 * It knows nothing of matching.
 */
export class Auditor {
  private readonly open = new Map<string, Order>()
  private readonly levels = { bids: new Map<number, number>(), asks: new Map<number, number>() }
  private number = 0
  private bookSeq = 0
  private tradeNumber = 0
  private rounding = 0n

  check(command: Command, outcome: Outcome, engine: MarketEngine): void {
    assert.ok(outcome.results.length > 0, 'every command has a result')
    for (const result of outcome.results) {
      this.number += 1
      assert.equal(result.number, this.number, 'results are numbered without gaps')
      assert.equal(result.seq, command.seq)
      this.read(command, result)
    }
    this.checkBook(outcome, engine)
    checkStructure(engine, this.open.size)
  }

  private read(command: Command, result: Result): void {
    switch (result.kind) {
      case 'accepted': {
        assert.ok(command.kind === 'new_order')
        assert.ok(!this.open.has(result.orderId), 'an order is accepted once')
        if (command.side === 'buy') assert.ok(result.holdAfter <= command.maxQuote, 'the hold is enough')
        const { holdAfter, quantityLots } = result
        const nothing = { filled: 0, paid: 0n, received: 0n, fee: 0n }
        this.open.set(result.orderId, { command, remaining: quantityLots, hold: holdAfter, ...nothing })
        break
      }
      case 'trade':
        this.readTrade(result)
        break
      case 'reduced': {
        const order = this.order(result.orderId)
        assert.equal(result.remainingLots, order.remaining - result.lots)
        assert.ok(result.remainingLots > 0, 'an order that is reduced to nothing is closed')
        assert.ok(result.holdAfter <= order.hold, 'a reduced order needs no more than before')
        order.remaining = result.remainingLots
        order.hold = result.holdAfter
        break
      }
      case 'closed': {
        const order = this.order(result.orderId)
        assert.equal(result.filledLots, order.filled)
        assert.equal(result.remainingLots, order.remaining)
        if (result.reason === 'filled') assert.equal(result.remainingLots, 0)
        if (result.reason === 'fok') assert.equal(result.filledLots, 0, 'fill or kill trades all or nothing')
        this.open.delete(result.orderId)
        break
      }
      case 'book':
        this.readBook(result)
    }
  }

  private readTrade(trade: Trade): void {
    this.tradeNumber += 1
    assert.equal(trade.tradeNumber, this.tradeNumber)
    const takerBuys = trade.takerSide === 'buy'
    const [buyer, seller] = takerBuys ? [trade.taker, trade.maker] : [trade.maker, trade.taker]
    assert.equal(buyer.quote - seller.quote, trade.rounding, 'quote is conserved')
    this.rounding += trade.rounding
    assert.ok(this.rounding >= 0n, 'the account rounding is never below zero')
    assert.notEqual(buyer.userId, seller.userId, 'nobody trades with himself')
    assert.equal(this.order(trade.maker.orderId).command.priceTicks, trade.ticks, 'the price is the maker’s')
    this.readParty(buyer, trade, buyer.quote, trade.base)
    this.readParty(seller, trade, trade.base, seller.quote)
  }

  private readParty(party: TradeParty, trade: Trade, paid: bigint, received: bigint): void {
    const order = this.order(party.orderId)
    const isByAmount = order.command.quantityLots === 0
    const limit = order.command.priceTicks
    if (limit !== 0) assert.ok(order.command.side === 'buy' ? trade.ticks <= limit : trade.ticks >= limit)
    assert.ok(paid >= 0n && received >= 0n && party.fee >= 0n)
    assert.ok(paid + party.holdAfter <= order.hold, 'a fill takes no more than was held')
    order.hold = party.holdAfter
    order.paid += paid
    order.received += received
    order.fee += party.fee
    order.filled += trade.lots
    if (!isByAmount) order.remaining -= trade.lots
    assert.equal(party.filledLots, order.filled)
    assert.equal(party.remainingLots, order.remaining)
    assert.ok(order.remaining >= 0)
    assert.ok(order.fee <= order.received, 'a fee is taken from what was received')
    if (order.command.side === 'buy')
      assert.ok(order.paid + order.hold <= order.command.maxQuote, 'no order past its hold')
    if (order.command.side === 'sell' && !isByAmount) {
      assert.equal(order.paid + order.hold, (trade.base / BigInt(trade.lots)) * BigInt(order.remaining + order.filled))
    }
  }

  private readBook(change: BookChanged): void {
    this.bookSeq += 1
    assert.equal(change.bookSeq, this.bookSeq)
    assert.ok(change.bids.length + change.asks.length > 0)
    for (const side of ['bids', 'asks'] as const) {
      for (const { ticks, lots } of change[side]) {
        assert.notEqual(this.levels[side].get(ticks) ?? 0, lots, 'only levels that differ are told')
        if (lots === 0) this.levels[side].delete(ticks)
        else this.levels[side].set(ticks, lots)
      }
    }
  }

  /** The book as told by changes, as summed from orders, and as read from the engine are one. */
  private checkBook(outcome: Outcome, engine: MarketEngine): void {
    const view = engine.getBook()
    assert.equal(view.bookSeq, this.bookSeq)
    const told = { bids: sorted(this.levels.bids, -1), asks: sorted(this.levels.asks, 1) }
    assert.deepEqual({ bids: view.bids, asks: view.asks }, told)
    const summed = { bids: new Map<number, number>(), asks: new Map<number, number>() }
    for (const { command, remaining } of this.open.values()) {
      const side = command.side === 'buy' ? summed.bids : summed.asks
      side.set(command.priceTicks, (side.get(command.priceTicks) ?? 0) + remaining)
    }
    assert.deepEqual({ bids: sorted(summed.bids, -1), asks: sorted(summed.asks, 1) }, told)
    const bestBid = view.bids[0]?.ticks ?? null
    const bestAsk = view.asks[0]?.ticks ?? null
    assert.deepEqual([outcome.bestBid, outcome.bestAsk], [bestBid, bestAsk])
    assert.ok(bestBid === null || bestAsk === null || bestBid < bestAsk, 'the book is never crossed')
  }

  private order(orderId: string): Order {
    const order = this.open.get(orderId)
    assert.ok(order, `${orderId} is open`)
    return order
  }
}

const sorted = (levels: Map<number, number>, sign: number): Level[] =>
  [...levels].map(([ticks, lots]) => ({ ticks, lots })).sort((a, b) => sign * (a.ticks - b.ticks))

/** Every order in a level is in the index, and the other way round; levels and their sums hang together. */
function checkStructure(engine: MarketEngine, openOrders: number): void {
  const { matcher } = engine as unknown as { matcher: Matcher }
  const inLevels = countOrders(matcher.bids, matcher) + countOrders(matcher.asks, matcher)
  assert.equal(inLevels, openOrders)
  assert.equal(matcher.orders.restingCount, openOrders)
  assert.equal(engine.openOrderCount, openOrders)
}

function countOrders(index: LevelIndex, { orders }: Matcher): number {
  let count = 0
  let total = 0
  let lastKey = Number.NEGATIVE_INFINITY
  for (let level = index.best; level !== 0; level = index.worse[level]!) {
    const key = index.tree.key[level]!
    assert.ok(key > lastKey, 'levels are in price order')
    assert.equal(index.tree.findNearest(key), level, 'a level is found by its price')
    lastKey = key
    let lots = 0
    for (let slot = index.head[level]!; slot !== 0; slot = orders.next[slot]!) {
      assert.equal(orders.find(orders.seq[slot]!), slot, 'an order in a level is in the index')
      assert.equal(orders.level[slot], level)
      lots += orders.remaining[slot]!
      count += 1
    }
    assert.ok(lots > 0, 'no level is empty')
    assert.equal(lots, index.lots[level], 'a level is the sum of its orders')
    total += lots
  }
  assert.equal(total, index.totalLots)
  return count
}
