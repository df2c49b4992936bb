import { newId, silentLogger, systemClock } from '@bitka/kernel'
import { BalanceHub } from '../src/balances.ts'
import type { Op } from '../src/domain/items.ts'
import { Poster } from '../src/poster.ts'
import { Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await Harness.open()
})
afterAll(() => h?.close())
afterEach(() => h.checkBooks())

it('posts the neighbours of an item that fails by a mistake of ours, each once', async () => {
  const [alice, bob] = [await h.person(`alice-${newId()}`), await h.person(`bob-${newId()}`)]
  const [from, to] = [await h.accountOf(alice, 'THB'), await h.accountOf(bob, 'THB')]
  await h.credit(alice, 'THB', '10')
  const poster = new Poster({
    db: h.platform.db('ledger'),
    clock: systemClock,
    log: silentLogger,
    audit: async () => {},
    balances: new BalanceHub(),
    gather: { windowMs: 20, maxItems: 100, maxQueue: 100 },
  })
  const transfer = (amount: bigint): Op => ({
    type: 'transfer',
    accountId: from,
    asset: 'THB',
    toUserId: bob.userId,
    amount,
    note: { author: alice.userId },
  })
  // Nothing above the poster lets a transfer of nothing through.
  const results = await Promise.all([transfer(1_00n), transfer(0n), transfer(2_00n)].map((op) => poster.post({ op })))
  expect(results.map((result) => (result.ok ? 'posted' : result.refusal.kind))).toEqual([
    'posted',
    'internal',
    'posted',
  ])
  expect(await h.balances(alice)).toEqual({ THB: '7 + 0' })
  expect(await h.balances(bob)).toEqual({ THB: '3 + 0' })
  expect(to).not.toBe(from)
  await poster.drain()
})
