import { setTimeout as pause } from 'node:timers/promises'
import { newId } from '@bitka/kernel'
import { TransactionKind } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { waitFor } from '@bitka/testkit'
import { Harness, type Person, refusal } from './harness.ts'

let h: Harness
let alice: Person
let bob: Person
beforeAll(async () => {
  h = await Harness.open()
})
afterAll(() => h?.close())
beforeEach(async () => {
  alice = await h.person(`alice-${newId()}`)
  bob = await h.person(`bob-${newId()}`)
  await h.credit(alice, 'THB', '1000')
  await h.credit(bob, 'BTC', '2')
})
afterEach(() => h.checkBooks())

it('waits with a hold for what the user was shown, half a second at most', async () => {
  // Half a second may be too short for a busy machine to settle in, but not every time.
  await waitFor(async () => {
    const carol = await h.person(`carol-${newId()}`)
    await h.credit(carol, 'THB', '1000')
    const { holdId: order } = await h.hold(carol, 'THB', 1000_00n)
    const patient = h.hold(carol, 'THB', 500_00n, { shown: (await h.settled()) + 1n })
    expect(await Promise.race([patient, pause(100, 'still waiting')])).toBe('still waiting')
    await h.settle({ case: 'orderClosed', value: { orderId: order } })
    return (await patient).outcome === 'ok'
  })
  await h.hold(alice, 'THB', 500_00n)
  const shown = (await h.settled()) + 1n
  const started = performance.now()
  expect((await h.hold(alice, 'THB', 900_00n, { shown })).outcome).toBe('unavailable')
  expect(performance.now() - started).toBeGreaterThan(450)
})

it('never reverses a trade or its fee', async () => {
  const [buy, sell] = [(await h.hold(alice, 'THB', 100_00n)).holdId, (await h.hold(bob, 'BTC', 1_0000_0000n)).holdId]
  await h.settle(
    h.trade(
      1_0000_0000n,
      { orderId: buy, quoteAmount: 100_00n, fee: 10n, holdAfter: 0n },
      { orderId: sell, quoteAmount: 100_00n, holdAfter: 0n },
    ),
  )
  const { items } = await h.ledger.listTransactions({}, alice.as)
  const sides = items.filter(({ kind }) => kind === TransactionKind.TRADE || kind === TransactionKind.FEE)
  expect(sides).toHaveLength(3)
  for (const { id } of sides) {
    const reverse = h.ledger.reverseTransaction({ transactionId: id, reason: 'a mistake' }, h.treasury.as)
    expect((await refusal(reverse)).kind).toBe('conflict')
  }
  expect(await h.balances(alice)).toEqual({ BTC: '0.9999999 + 0', THB: '900 + 0' })
})
