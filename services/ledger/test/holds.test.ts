import { newId } from '@bitka/kernel'
import { HoldPurpose } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { Harness, type Person } from './harness.ts'

describe('holds', () => {
  let h: Harness
  let alice: Person
  beforeAll(async () => {
    h = await Harness.open()
  })
  afterAll(() => h.close())
  beforeEach(async () => {
    alice = await h.person(`alice-${newId()}`)
    await h.credit(alice, 'THB', '100')
  })
  afterEach(() => h.checkBooks())

  it('moves funds from available to locked, and a release moves them back', async () => {
    const { holdId, outcome } = await h.hold(alice, 'THB', 40_00n)
    expect(outcome).toBe('ok')
    expect(await h.balances(alice)).toEqual({ THB: '60 + 40' })
    expect(await h.release(holdId)).toBe('4000')
    expect(await h.release(holdId)).toBe('0')
    expect(await h.balances(alice)).toEqual({ THB: '100 + 0' })
  })

  it('answers a repeated hold with the first answer, also when that was a refusal', async () => {
    const { holdId } = await h.hold(alice, 'THB', 40_00n)
    expect((await h.hold(alice, 'THB', 40_00n, { holdId })).outcome).toBe('ok')
    expect((await h.hold(alice, 'THB', 41_00n, { holdId })).outcome).toBe('conflict')
    const poor = await h.hold(alice, 'THB', 60_01n)
    expect(poor.outcome).toBe('insufficient_funds')
    await h.credit(alice, 'THB', '1000')
    expect((await h.hold(alice, 'THB', 60_01n, { holdId: poor.holdId })).outcome).toBe('insufficient_funds')
    expect(await h.balances(alice)).toEqual({ THB: '1060 + 40' })
  })

  it('takes an id in capitals for the same', async () => {
    const { holdId } = await h.hold(alice, 'THB', 40_00n)
    expect((await h.hold(alice, 'THB', 40_00n, { holdId: holdId.toUpperCase() })).outcome).toBe('ok')
    expect(await h.release(holdId.toUpperCase())).toBe('4000')
  })

  it('refuses a hold that was released, before or after it came', async () => {
    const early = newId()
    expect(await h.release(early)).toBe('0')
    expect((await h.hold(alice, 'THB', 1n, { holdId: early })).outcome).toBe('conflict')
    const { holdId } = await h.hold(alice, 'THB', 1n)
    await h.release(holdId)
    expect((await h.hold(alice, 'THB', 1n, { holdId })).outcome).toBe('conflict')
    expect(await h.balances(alice)).toEqual({ THB: '100 + 0' })
  })

  it('lets a release and its hold race: either way nothing stays locked', async () => {
    for (let round = 0; round < 10; round += 1) {
      const holdId = newId()
      const [held, released] = await Promise.all([h.hold(alice, 'THB', 5_00n, { holdId }), h.release(holdId)])
      expect([held.outcome, released]).toEqual(released === '500' ? ['ok', '500'] : ['conflict', '0'])
      expect(await h.balances(alice)).toEqual({ THB: '100 + 0' })
    }
  })

  it('refuses what it cannot read, item by item', async () => {
    const good = {
      purpose: HoldPurpose.ORDER,
      userId: alice.userId,
      asset: 'THB',
      receiveAsset: 'BTC',
      symbol: 'BTC-THB',
      amount: '100',
    }
    const { results } = await h.posting.hold({
      items: [
        { ...good, holdId: 'no-uuid' },
        { ...good, holdId: newId(), amount: '0' },
        { ...good, holdId: newId(), amount: '-1' },
        { ...good, holdId: newId(), amount: '0.5' },
        { ...good, holdId: newId(), amount: String(10n ** 38n) },
        { ...good, holdId: newId(), amount: String(10n ** 38n - 1n) },
        { ...good, holdId: newId(), asset: 'DOGE' },
        { ...good, holdId: newId(), receiveAsset: 'DOGE' },
        { ...good, holdId: newId(), purpose: HoldPurpose.WITHDRAWAL },
        { ...good, holdId: newId() },
      ],
    })
    expect(results.map(({ error }) => error?.kind ?? 'ok')).toEqual([
      'invalid',
      'invalid',
      'invalid',
      'invalid',
      'invalid',
      'insufficient_funds',
      'invalid',
      'invalid',
      'forbidden',
      'ok',
    ])
    expect(results[1]?.error?.details.map(({ field }) => field)).toEqual(['amount'])
  })

  it('keeps linked items together', async () => {
    const item = (amount: string, linked: boolean) => ({
      holdId: newId(),
      purpose: HoldPurpose.ORDER,
      userId: alice.userId,
      asset: 'THB',
      receiveAsset: 'BTC',
      symbol: 'BTC-THB',
      amount,
      linked,
    })
    const { results } = await h.posting.hold({
      items: [item('6000', true), item('6000', false), item('7000', true), item('3000', false)],
    })
    expect(results.map(({ error }) => error?.kind ?? 'ok')).toEqual(['conflict', 'insufficient_funds', 'ok', 'ok'])
    expect(await h.balances(alice)).toEqual({ THB: '0 + 100' })
  })

  it('takes no more than a thousand items', async () => {
    const items = Array.from({ length: 1_001 }, () => ({ holdId: newId() }))
    await expect(h.posting.release({ items })).rejects.toThrow('items')
  })

  it('refuses frozen accounts and inactive assets', async () => {
    await h.db.query('update accounts set frozen_at = now() where owner_id = $1', [alice.userId])
    expect((await h.hold(alice, 'THB', 1n)).outcome).toBe('conflict')
    await h.db.query('update accounts set frozen_at = null where owner_id = $1', [alice.userId])
    await h.ledger.updateAsset({ symbol: 'THB', isActive: false }, h.operator.as)
    expect((await h.hold(alice, 'THB', 1n)).outcome).toBe('conflict')
    await h.ledger.updateAsset({ symbol: 'THB', isActive: true }, h.operator.as)
    expect((await h.hold(alice, 'THB', 1n)).outcome).toBe('ok')
  })

  it('never lets a hold and a transfer spend the same funds', async () => {
    const bob = await h.person(`bob-${newId()}`)
    const accountId = await h.accountOf(alice, 'THB')
    const tries = Array.from({ length: 20 }, (_, index) =>
      index % 2
        ? h.hold(alice, 'THB', 30_00n).then(({ outcome }) => outcome)
        : h.transfer(alice, bob.username, accountId, '30').then(
            () => 'ok',
            (error: { kind: string }) => error.kind,
          ),
    )
    const outcomes = await Promise.all(tries)
    expect(outcomes.filter((outcome) => outcome === 'ok')).toHaveLength(3)
    expect(outcomes.filter((outcome) => outcome === 'insufficient_funds')).toHaveLength(17)
  })
})
