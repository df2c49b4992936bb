import { newId } from '@bitka/kernel'
import { TransactionKind } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { waitFor } from '@bitka/testkit'
import { Harness, type Person } from './harness.ts'

describe('settlement', () => {
  let h: Harness
  let alice: Person
  let bob: Person
  beforeAll(async () => {
    h = await Harness.open()
  })
  afterAll(() => h.close())
  beforeEach(async () => {
    alice = await h.person(`alice-${newId()}`)
    bob = await h.person(`bob-${newId()}`)
    await h.credit(alice, 'THB', '1000')
    await h.credit(bob, 'BTC', '2')
  })
  afterEach(() => h.checkBooks())

  const held = async (person: Person, asset: 'BTC' | 'THB', amount: bigint) => {
    const { holdId, outcome } = await h.hold(person, asset, amount)
    expect(outcome).toBe('ok')
    return holdId
  }
  const systemBalance = async (name: string, asset: string) => {
    const sql = `select available from accounts where owner_kind = 'system' and owner_id = $1 and asset = $2`
    const { rows } = await h.db.query<{ available: string }>(sql, [name, asset])
    return BigInt(rows[0]!.available)
  }

  it('moves exactly what a trade says, and leaves the holds that it names', async () => {
    const [buy, sell] = [await held(alice, 'THB', 900_00n), await held(bob, 'BTC', 1_0000_0000n)]
    const [fees, rounding] = [await systemBalance('fees', 'BTC'), await systemBalance('rounding', 'THB')]
    await h.settle(
      { case: 'orderAccepted', value: { orderId: buy } },
      h.trade(
        4000_0000n,
        { orderId: buy, quoteAmount: 300_01n, fee: 4_0000n, holdAfter: 500_00n },
        { orderId: sell, quoteAmount: 300_00n, fee: 30n, holdAfter: 6000_0000n },
      ),
      { case: 'bookChanged', value: { seq: 1n } },
    )
    expect(await h.balances(alice)).toEqual({ BTC: '0.3996 + 0', THB: '199.99 + 500' })
    expect(await h.balances(bob)).toEqual({ BTC: '1 + 0.6', THB: '299.7 + 0' })
    expect((await systemBalance('fees', 'BTC')) - fees).toBe(4_0000n)
    expect((await systemBalance('rounding', 'THB')) - rounding).toBe(1n)
    const { items } = await h.ledger.listTransactions({}, alice.as)
    const shown = items.map(({ kind, asset, amount, balanceAfter, metadata }) => [
      TransactionKind[kind],
      asset,
      amount,
      balanceAfter,
      metadata,
    ])
    const market = { symbol: 'BTC-THB', trade_number: 1 }
    expect(shown).toEqual([
      ['FEE', 'BTC', '0.0004', '0.3996', market],
      ['TRADE', 'BTC', '0.4', '0.4', market],
      ['TRADE', 'THB', '300.01', '699.99', market],
      ['ADJUSTMENT', 'THB', '1000', '1000', {}],
    ])
    await h.settle({ case: 'orderReduced', value: { orderId: buy, holdAfter: '20000' } })
    expect(await h.balances(alice)).toEqual({ BTC: '0.3996 + 0', THB: '499.99 + 200' })
    await h.settle(
      { case: 'orderClosed', value: { orderId: buy } },
      { case: 'orderRejected', value: { orderId: sell } },
    )
    expect(await h.balances(alice)).toEqual({ BTC: '0.3996 + 0', THB: '699.99 + 0' })
    expect(await h.balances(bob)).toEqual({ BTC: '1.6 + 0', THB: '299.7 + 0' })
    // Settled, not released: the same request still gets its first answer.
    expect((await h.hold(alice, 'THB', 900_00n, { holdId: buy })).outcome).toBe('ok')
  })

  it('passes an order that is rejected or closed without a hold', async () => {
    await h.settle(
      { case: 'orderRejected', value: { orderId: newId() } },
      { case: 'orderClosed', value: { orderId: newId() } },
    )
    const released = newId()
    await h.release(released)
    await h.settle({ case: 'orderClosed', value: { orderId: released } })
  })

  it('settles on frozen accounts, in inactive assets, and opens the account that receives', async () => {
    const [buy, sell] = [await held(alice, 'THB', 100_00n), await held(bob, 'BTC', 1_0000_0000n)]
    await h.db.query('update accounts set frozen_at = now() where owner_id = any($1)', [[alice.userId, bob.userId]])
    await h.ledger.updateAsset({ symbol: 'BTC', isActive: false }, h.operator.as)
    await h.db.query(`delete from accounts where owner_id = $1 and asset = 'THB'`, [bob.userId])
    await h.settle(
      h.trade(
        1_0000_0000n,
        { orderId: buy, quoteAmount: 100_00n, holdAfter: 0n },
        { orderId: sell, quoteAmount: 100_00n, holdAfter: 0n },
      ),
    )
    expect(await h.balances(alice)).toEqual({ BTC: '1 + 0', THB: '900 + 0' })
    expect(await h.balances(bob)).toEqual({ BTC: '1 + 0', THB: '100 + 0' })
    await h.ledger.updateAsset({ symbol: 'BTC', isActive: true }, h.operator.as)
  })

  it('settles each result once, whatever is repeated and however often it restarts', async () => {
    const [buy, sell] = [await held(alice, 'THB', 300_00n), await held(bob, 'BTC', 3000_0000n)]
    const party = (orderId: string, holdAfter: bigint) => ({ orderId, quoteAmount: 100_00n, holdAfter })
    const trades = [0n, 1n, 2n].map((n) =>
      h.record([h.trade(1000_0000n, party(buy, 200_00n - n * 100_00n), party(sell, 2000_0000n - n * 1000_0000n))]),
    )
    const last = (await h.settled()) + 3n
    await h.append(trades[0]!, trades[0]!, trades[1]!, trades[0]!, trades[1]!)
    await h.settledTo(last - 1n)
    await h.stop()
    await h.append(trades[1]!, trades[2]!, trades[2]!)
    await h.start()
    await h.settledTo(last)
    await h.stop()
    // The cursor is lost and everything is read again.
    await h.db.query('update consumer_cursors set next_offset = 0')
    await h.start()
    await h.settle({ case: 'bookChanged', value: { seq: 2n } })
    expect(await h.balances(alice)).toEqual({ BTC: '0.3 + 0', THB: '700 + 0' })
    expect(await h.balances(bob)).toEqual({ BTC: '1.7 + 0', THB: '300 + 0' })
  })

  it('says that funds are missing only after settling what the user was shown', async () => {
    const order = await held(alice, 'THB', 1000_00n)
    const shown = (await h.settled()) + 1n
    const record = h.record([{ case: 'orderClosed', value: { orderId: order } }])
    const patient = h.hold(alice, 'THB', 500_00n, { shown })
    await h.append(record)
    const first = await patient
    // A machine that takes longer than the hold waits says so, which is no final answer.
    expect(['ok', 'unavailable']).toContain(first.outcome)
    const { holdId: same } = first
    await waitFor(async () => (await h.hold(alice, 'THB', 500_00n, { holdId: same, shown })).outcome === 'ok')
    // Enough funds do not wait; what is shown and never settled is no final answer.
    expect((await h.hold(alice, 'THB', 500_00n, { shown: shown + 10n })).outcome).toBe('ok')
    const { holdId, outcome } = await h.hold(alice, 'THB', 1n, { shown: shown + 10n })
    expect(outcome).toBe('unavailable')
    expect((await h.hold(alice, 'THB', 1n, { holdId, shown })).outcome).toBe('insufficient_funds')
  })
})
