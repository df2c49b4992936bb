import { newId } from '@bitka/kernel'
import { waitFor } from '@bitka/testkit'
import { Harness, type Person } from './harness.ts'

describe('settlement stops', () => {
  let h: Harness
  let alice: Person
  let buy: string
  let sell: string
  beforeAll(async () => {
    h = await Harness.open()
    alice = await h.person('alice')
    const bob = await h.person('bob')
    await h.credit(alice, 'THB', '100')
    await h.credit(bob, 'BTC', '1')
    buy = (await h.hold(alice, 'THB', 100_00n)).holdId
    sell = (await h.hold(bob, 'BTC', 1_0000_0000n)).holdId
    await h.settle({ case: 'bookChanged', value: { seq: 1n } })
  })
  afterAll(() => h.close())

  const party = (orderId: string, holdAfter: bigint) => ({ orderId, quoteAmount: 90_00n, holdAfter })
  const cases: [string, () => Uint8Array][] = [
    ['a gap', () => h.record([{ case: 'orderClosed', value: { orderId: buy } }], 3n)],
    ['an order without a hold', () => h.record([h.trade(1n, party(newId(), 0n), party(sell, 0n))], 2n)],
    ['a trade beyond the hold', () => h.record([h.trade(1n, party(buy, 10_01n), party(sell, 0n))], 2n)],
    ['two orders that do not fit together', () => h.record([h.trade(1n, party(buy, 0n), party(buy, 0n))], 2n)],
    [
      'a fee beyond what was received',
      () => h.record([h.trade(1n, { ...party(buy, 0n), fee: 2n }, party(sell, 0n))], 2n),
    ],
    [
      'a reduced order that needs more',
      () => h.record([{ case: 'orderReduced', value: { orderId: buy, holdAfter: '10001' } }], 2n),
    ],
    ['a kind that it does not know', () => h.record([{ case: undefined }], 2n)],
    ['what is no amount', () => h.record([{ case: 'orderReduced', value: { orderId: buy, holdAfter: '1.5' } }], 2n)],
    ['what is no message', () => Buffer.from('nonsense')],
  ]

  it.each(cases)('at %s, says so, and settles nothing after it', async (_, record) => {
    await h.append(record(), h.record([{ case: 'orderClosed', value: { orderId: buy } }], 3n))
    await waitFor(async () => (await h.service?.health())?.ready === false)
    const status = await waitFor(async () => {
      const { partitions, markets } = await h.posting.getSettlementStatus({})
      return partitions[0]?.stopped && partitions[0].lagMs > 0n && { markets, elsewhere: partitions[1] }
    })
    expect(status.markets[0]).toMatchObject({ symbol: 'BTC-THB', partition: 0, resultNumber: 1n, stopped: true })
    expect(status.elsewhere).toMatchObject({ lagMs: 0n, stopped: false })
    expect(await h.balances(alice)).toEqual({ THB: '0 + 100' })
    await h.checkBooks()
    await h.stop()
    await h.skipAll()
    await h.start()
    await waitFor(async () => (await h.service?.health())?.ready)
  })
})
