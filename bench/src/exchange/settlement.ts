import { formatMinor, parseMinor } from '@bitka/kernel'
import WebSocket from 'ws'
import type { Trader } from './traders.ts'

/** Every buy is of this much at this price, so that each takes the same amount of quote, to the cent. */
export const PRICE = '100000.00'
export const QUANTITY = '0.01'
const QUOTE = 'THB'
const DECIMALS = 2
const COST = parseMinor('1000.00', DECIMALS)

/**
 * Watches a buyer's balance over the WebSocket. A buy moves money to `locked` when it is placed and takes it from the total
 * when it is settled, and its fee is in the other asset: so the total tells how many buys are settled.
 */
export class Settlement {
  private readonly waiting: number[] = []
  private startTotal: bigint | undefined
  private settled = 0n
  readonly latenciesMs: number[] = []
  private readonly stream
  private readonly subscription

  constructor(trader: Trader) {
    this.stream = trader.client.connectStream({ webSocket: (url) => new WebSocket(url) })
    this.subscription = this.stream.balances((frame) => {
      const items = frame.type === 'snapshot' ? frame.items : [frame]
      const quote = items.find(({ asset }) => asset === QUOTE)
      if (quote) this.onTotal(parseMinor(quote.available, DECIMALS) + parseMinor(quote.locked, DECIMALS))
    })
  }

  async ready(): Promise<void> {
    await this.subscription.ready
  }

  /** A buy is about to be sent that was due at that moment. */
  expect(dueMs: number): void {
    this.waiting.push(dueMs)
  }

  get isSettled(): boolean {
    return this.waiting.length === 0 && this.startTotal !== undefined
  }

  close(): void {
    this.stream.close()
  }

  private onTotal(total: bigint): void {
    this.startTotal ??= total
    const spent = this.startTotal - total
    if (spent < 0n || spent % COST !== 0n) throw new Error(`a buyer has spent ${formatMinor(spent, DECIMALS)}`)
    for (; this.settled < spent / COST; this.settled += 1n) {
      const dueMs = this.waiting.shift()
      if (dueMs === undefined) throw new Error('more was settled than was bought')
      this.latenciesMs.push(performance.now() - dueMs)
    }
  }
}
