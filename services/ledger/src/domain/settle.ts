import type { Book } from './book.ts'
import type { Party, SettleOp, SettleResult } from './items.ts'
import { type PlacedHold, type Position, system, user } from './model.ts'

/**
 * A result that cannot be applied: the market stops, since whatever follows builds on it. Never a refusal, for a trade
 * that has happened is not up for decision.
 */
export class SettlementError extends Error {
  override name = 'SettlementError'
}

const check: (condition: unknown, what: string) => asserts condition = (condition, what) => {
  if (!condition) throw new SettlementError(what)
}

/** Settles exactly what the results of one command say. Results that were settled before are skipped; a gap stops. */
export function applySettle(book: Book, { symbol, partition, commandSeq, results }: SettleOp): void {
  const position = book.position(symbol)
  check(position, `${symbol}: the settlement position was not loaded`)
  for (const result of results) {
    const expected = position.resultNumber + 1n
    if (result.number < expected) continue
    check(result.number === expected, `${symbol}: result ${result.number} came where ${expected} was due`)
    settleOne(book, position, symbol, result)
    book.advance(position, { resultNumber: result.number, commandSeq, partition })
  }
}

function settleOne(book: Book, position: Position, symbol: string, result: SettleResult): void {
  if (result.type === 'trade') settleTrade(book, symbol, result)
  if (result.type === 'reduced') {
    const hold = placed(book, symbol, result.orderId)
    check(
      result.holdAfter <= hold.remaining,
      `${symbol} ${result.number}: a reduced order needs more than its hold has`,
    )
    book.setHold(hold, result.holdAfter, 'reduce')
  }
  if (result.type === 'closed' || result.type === 'rejected') {
    const hold = book.hold(result.orderId)
    // A market order that found no price had nothing to hold.
    if (hold?.state !== 'placed') return
    check(hold.content.symbol === position.symbol, `${symbol} ${result.number}: the hold belongs to another market`)
    book.setHold(hold, 0n, result.type === 'closed' ? 'close' : 'reject')
  }
}

function placed(book: Book, symbol: string, orderId: string): PlacedHold {
  const hold = book.hold(orderId)
  check(hold?.state === 'placed', `${symbol}: order ${orderId} has no hold`)
  check(
    hold.content.purpose === 'order' && hold.content.symbol === symbol,
    `${symbol}: hold ${orderId} is not of this market`,
  )
  return hold
}

type TradeResult = Extract<SettleResult, { type: 'trade' }>

function settleTrade(
  book: Book,
  symbol: string,
  { number, tradeNumber, baseAmount, buyer, seller }: TradeResult,
): void {
  const bought = placed(book, symbol, buyer.orderId)
  const sold = placed(book, symbol, seller.orderId)
  const [quote, base] = [bought.content.asset, sold.content.asset]
  const where = `${symbol} ${number}`
  check(
    bought.content.receiveAsset === base && sold.content.receiveAsset === quote,
    `${where}: the holds do not fit together`,
  )
  const rounding = buyer.quoteAmount - seller.quoteAmount
  check(
    baseAmount > 0n && buyer.quoteAmount >= 0n && seller.quoteAmount >= 0n,
    `${where}: the amounts do not fit together`,
  )
  const metadata = { symbol, trade_number: Number(tradeNumber) }
  const txId = book.begin({ kind: 'trade', note: { author: 'matching', metadata }, symbol, resultNumber: number })
  pay(book, where, txId, bought, buyer, buyer.quoteAmount)
  pay(book, where, txId, sold, seller, baseAmount)
  receive(book, where, txId, bought, buyer.fee, baseAmount)
  receive(book, where, txId, sold, seller.fee, seller.quoteAmount)
  if (rounding !== 0n) {
    const account = book.need(system('rounding'), quote)
    // Rounding is over whole orders, so one fill may take back what earlier ones left; all of them together never take more.
    check(account.available + rounding >= 0n, `${where}: more was received than was ever paid`)
    book.change(account, rounding, 0n)
    book.post(txId, account, 'trade', rounding)
  }
  book.balanced(txId)
}

/** Out of the hold alone; what the order no longer needs of it returns to the owner. */
function pay(book: Book, where: string, txId: string, hold: PlacedHold, party: Party, amount: bigint): void {
  const shrink = hold.remaining - party.holdAfter
  check(
    party.holdAfter >= 0n && shrink >= amount,
    `${where}: the hold of order ${party.orderId} does not cover the trade`,
  )
  book.setHold(hold, party.holdAfter, 'trade', { paid: amount, txId })
  const account = book.accountById(hold.accountId)
  check(account, `${where}: the account of order ${party.orderId} was not loaded`)
  book.post(txId, account, 'trade', -amount)
}

/** What was bought, then the fee out of it; a rebate is a fee below zero and comes out of `rebates`. */
function receive(book: Book, where: string, txId: string, hold: PlacedHold, fee: bigint, amount: bigint): void {
  const { userId, receiveAsset } = hold.content
  check(fee <= amount, `${where}: the fee is more than what was received`)
  const account = book.need(user(userId), receiveAsset)
  book.change(account, amount, 0n)
  book.post(txId, account, 'trade', amount)
  if (fee === 0n) return
  const counter = book.need(system(fee > 0n ? 'fees' : 'rebates'), receiveAsset)
  check(counter.available + fee >= 0n, `${where}: the account for rebates is empty`)
  book.change(account, -fee, 0n)
  book.post(txId, account, 'fee', -fee)
  book.change(counter, fee, 0n)
  book.post(txId, counter, 'fee', fee)
}
