import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { seeded } from '@bitka/testkit'
import type { HttpLoad } from '../load/http.ts'
import type { Trader } from './traders.ts'

/** A busy machine may push back for as long as settlement is behind; one that does so for longer is broken. */
const RETRY_MS = 100
const ATTEMPTS_MAX = 300
/** Both sides choose from the same prices, so that about half of the orders trade at once. */
const MID = 1_000_000
const STEPS = 20

/** Sends orders for the traders and remembers how many each got acknowledged. */
export class Desk {
  private readonly random
  private readonly acknowledged: number[]
  /** How many answers said "busy, try again", which is what was done, with the same key; the time of it counts. */
  repeated = 0

  constructor(
    private readonly http: HttpLoad,
    readonly traders: readonly Trader[],
    seed: number,
  ) {
    this.random = seeded(seed)
    this.acknowledged = traders.map(() => 0)
  }

  /** A limit order somewhere around the middle. */
  async placeAnywhere(index: number): Promise<void> {
    const price = MID + this.random.int(2 * STEPS + 1) - STEPS
    const side = this.random.int(2) === 0 ? 'buy' : 'sell'
    const quantity = (0.0001 * (1 + this.random.int(10))).toFixed(4)
    await this.place(index, { symbol: 'BTC-THB', side, price: String(price), quantity })
  }

  async place(index: number, order: { symbol: string; side: string; price: string; quantity: string }): Promise<void> {
    const at = index % this.traders.length
    const body = { ...order, type: 'limit', time_in_force: 'GTC' }
    const key = randomUUID()
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.http.post('/v1/orders', this.traders[at]?.token ?? '', key, body)
      if (answer.status === 201 && answer.body.includes('"accepted"')) break
      const isBusy = answer.status === 503 || answer.status === 504
      if (!isBusy || attempt === ATTEMPTS_MAX) {
        throw new Error(`an order was answered with ${answer.status}: ${answer.body}`)
      }
      this.repeated += 1
      await pause(RETRY_MS)
    }
    this.acknowledged[at] = (this.acknowledged[at] ?? 0) + 1
  }

  /** Every acknowledged order is there, and no other. */
  async checkAllThere(): Promise<void> {
    for (const [index, { client }] of this.traders.entries()) {
      const { pagination } = await client.orders.list({ per_page: 1 })
      if (pagination.total !== this.acknowledged[index]) {
        throw new Error(`a trader has ${pagination.total} orders, and ${this.acknowledged[index]} were acknowledged`)
      }
    }
  }
}
