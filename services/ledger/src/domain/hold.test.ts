import { checkInvariants } from '../../test/invariants.ts'
import { MemoryLedger } from '../../test/memory.ts'
import type { BatchItem, MarketPosition } from './items.ts'
import type { HoldContent } from './model.ts'

const note = { author: 'test' }
const hold = (
  holdId: string,
  amount: bigint,
  own: Partial<HoldContent> = {},
  shown: MarketPosition[] = [],
): BatchItem => ({
  op: {
    type: 'hold',
    holdId,
    content: { purpose: 'order', userId: 'ann', asset: 'THB', receiveAsset: 'BTC', symbol: 'BTC-THB', amount, ...own },
    shown,
  },
})
const release = (holdId: string, purpose: HoldContent['purpose'] = 'order'): BatchItem => ({
  op: { type: 'release', holdId, purpose },
})

describe('a hold', () => {
  let ledger: MemoryLedger
  beforeEach(() => {
    ledger = new MemoryLedger()
    for (const asset of ['THB', 'BTC']) ledger.addAsset(asset)
    ledger.account('ann', 'THB')
    ledger.run({
      op: {
        type: 'adjust',
        direction: 'credit',
        accountId: 'user/ann/THB',
        asset: 'THB',
        amount: 100n,
        decimals: 2,
        note,
      },
    })
  })
  afterEach(() => checkInvariants(ledger))

  const outcomes = (...items: BatchItem[]) =>
    ledger
      .run(...items)
      .map((result) => (result.ok ? String(result.answer.released ?? 'ok') : result.refusal.kind))
      .join(' ')
  const left = () => {
    const { available, locked } = ledger.account('ann', 'THB')
    return `${available}+${locked}`
  }

  it.each<[string, BatchItem[], string, string]>([
    ['takes what is there', [hold('a', 100n), hold('b', 1n)], 'ok insufficient_funds', '0+100'],
    ['is answered once', [hold('a', 60n), hold('a', 60n)], 'ok ok', '40+60'],
    [
      'keeps its refusal',
      [hold('a', 101n), release('b'), hold('a', 101n)],
      'insufficient_funds 0 insufficient_funds',
      '100+0',
    ],
    ['is another one with another amount', [hold('a', 60n), hold('a', 61n)], 'ok conflict', '40+60'],
    ['or another market', [hold('a', 60n), hold('a', 60n, { symbol: 'ETH-THB' })], 'ok conflict', '40+60'],
    ['also where the first was refused', [hold('a', 101n), hold('a', 1n)], 'insufficient_funds conflict', '100+0'],
    ['comes back whole', [hold('a', 60n), release('a'), release('a')], 'ok 60 0', '100+0'],
    ['is over once released', [hold('a', 60n), release('a'), hold('a', 60n)], 'ok 60 conflict', '100+0'],
    ['never comes after its release', [release('a'), hold('a', 60n), release('a')], '0 conflict 0', '100+0'],
    ['frees funds for the next', [hold('a', 100n), release('a'), hold('b', 100n)], 'ok 100 ok', '0+100'],
    [
      'belongs to its purpose',
      [hold('a', 60n), release('a', 'withdrawal'), release('b', 'amend'), release('b')],
      'ok conflict 0 conflict',
      '40+60',
    ],
    ['of nothing', [hold('a', 0n), hold('b', -1n)], 'invalid invalid', '100+0'],
    [
      'of an unknown asset',
      [hold('a', 1n, { asset: 'DOGE' }), hold('b', 1n, { receiveAsset: 'DOGE' })],
      'invalid invalid',
      '100+0',
    ],
    ['of somebody without an account', [hold('a', 1n, { userId: 'nobody' })], 'insufficient_funds', '100+0'],
  ])('%s', (_, items, expected, after) => {
    expect(outcomes(...items)).toBe(expected)
    expect(left()).toBe(after)
  })

  it('is not refused for good while settlement is behind', () => {
    const shown = [{ symbol: 'BTC-THB', resultNumber: 1n }]
    expect(ledger.run(hold('a', 101n, {}, shown))).toMatchObject([
      { ok: false, behind: true, refusal: { kind: 'unavailable' } },
    ])
    expect(outcomes(hold('b', 100n, {}, shown))).toBe('ok')
    expect(outcomes(release('b'))).toBe('100')
    ledger.positions.set('BTC-THB', { symbol: 'BTC-THB', commandSeq: 1n, resultNumber: 1n, partition: 0 })
    expect(outcomes(hold('a', 101n, {}, shown))).toBe('insufficient_funds')
  })
})
