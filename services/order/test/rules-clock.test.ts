import { TimeInForce } from '@bitka/proto/bitka/common/v1/market_pb'
import { waitFor } from '@bitka/testkit'
import { Harness, limitBuy, MARKET, type Person, refusal, SELL } from './harness.ts'

let h: Harness
let alice: Person
beforeAll(async () => {
  h = await Harness.open()
  await h.market()
})
afterAll(() => h?.close())
beforeEach(async () => {
  alice = await h.person()
})

const place = async (order = limitBuy) => {
  const { orderId } = await h.client.createOrder(order, alice.as)
  return h.engine.commandOf(orderId)
}
const validUntil = (body: { value?: unknown }) => (body.value as { validUntilMs: bigint }).validUntilMs

// A clock is set back by an operator, or another process's is behind.
describe('a clock that goes back by an hour', () => {
  it('neither takes the time of commands back, nor the half minute of an order that must trade at once', async () => {
    const before = await place()
    h.clock.advance(-3_600_000)
    for (const order of [
      { ...limitBuy, timeInForce: TimeInForce.IOC },
      { symbol: 'BTC-THB', side: SELL, type: MARKET, quantity: '1' },
    ]) {
      const { timeMs, body } = await place(order)
      expect(timeMs).toBeGreaterThanOrEqual(before.timeMs)
      expect(validUntil(body) - timeMs).toBe(30_000n)
    }
    h.clock.advance(3_600_000 + 1)
    expect((await place()).timeMs).toBe(BigInt(h.clock.nowMs()))
  })

  it('leaves no order behind', async () => {
    h.ledger.breaks = 'after'
    expect(await refusal(h.client.createOrder({ ...limitBuy, clientOrderId: 'left' }, alice.as))).toBe('unavailable')
    const { rows } = await h.db.query<{ id: string }>('select id from orders where user_id = $1', [alice.userId])
    const orderId = rows[0]?.id ?? ''
    // A sweeper has claimed it.
    await h.db.query(`update orders set claimed_until = $2 where id = $1`, [
      orderId,
      new Date(h.clock.nowMs() + 15_000),
    ])
    h.clock.advance(-3_600_000)
    h.ledger.breaks = undefined
    await waitFor(async () => (await h.state(orderId)) === 'submitted')
  })

  it('leaves no hold behind', async () => {
    h.ledger.breaks = 'after'
    expect(await refusal(h.client.createOrder(limitBuy, alice.as))).toBe('unavailable')
    const { rows } = await h.db.query<{ id: string }>('select id from orders where user_id = $1', [alice.userId])
    const orderId = rows[0]?.id ?? ''
    await h.db.query(`update orders set state = 'dead', release_due = true, claimed_until = $2 where id = $1`, [
      orderId,
      new Date(h.clock.nowMs() + 15_000),
    ])
    h.clock.advance(-3_600_000)
    await waitFor(() => h.ledger.holds.get(orderId)?.released)
  })
})
