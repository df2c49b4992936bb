import { checkInvariants } from '../../test/invariants.ts'
import { MemoryLedger } from '../../test/memory.ts'
import type { BatchItem, Party, SettleResult } from './items.ts'
import { SettlementError } from './settle.ts'

const note = { author: 'test' }
const credit = (who: string, asset: string, amount: bigint): BatchItem => ({
  op: { type: 'adjust', direction: 'credit', accountId: `user/${who}/${asset}`, asset, amount, decimals: 2, note },
})
const hold = (holdId: string, userId: string, asset: 'BTC' | 'THB', amount: bigint): BatchItem => {
  const receiveAsset = asset === 'BTC' ? 'THB' : 'BTC'
  return {
    op: {
      type: 'hold',
      holdId,
      content: { purpose: 'order', userId, asset, receiveAsset, symbol: 'BTC-THB', amount },
      shown: [],
    },
  }
}
const settle = (...results: SettleResult[]): BatchItem => ({
  op: { type: 'settle', symbol: 'BTC-THB', partition: 0, commandSeq: 1n, results },
})
const trade = (number: bigint, buyer: Partial<Party>, seller: Partial<Party>, baseAmount = 10n): SettleResult => ({
  number,
  type: 'trade',
  tradeNumber: number,
  baseAmount,
  buyer: { orderId: 'buy', quoteAmount: 100n, fee: 0n, holdAfter: 0n, ...buyer },
  seller: { orderId: 'sell', quoteAmount: 100n, fee: 0n, holdAfter: 0n, ...seller },
})

describe('settling', () => {
  let ledger: MemoryLedger
  beforeEach(() => {
    ledger = new MemoryLedger()
    for (const asset of ['THB', 'BTC']) {
      ledger.addAsset(asset)
      for (const name of ['ann', 'ben']) ledger.account(name, asset)
    }
    ledger.run(credit('ann', 'THB', 1_000n), credit('ben', 'BTC', 50n))
    ledger.run(hold('buy', 'ann', 'THB', 120n), hold('sell', 'ben', 'BTC', 10n))
  })
  afterEach(() => checkInvariants(ledger))

  const of = (owner: string, asset: string) => {
    const { available, locked } = ledger.accounts.get(`${owner}/${asset}`)!
    return `${available}+${locked}`
  }
  const all = () => ({
    ann: `${of('user/ann', 'THB')} ${of('user/ann', 'BTC')}`,
    ben: `${of('user/ben', 'THB')} ${of('user/ben', 'BTC')}`,
    fees: `${of('system/fees', 'THB')} ${of('system/fees', 'BTC')}`,
    rounding: of('system/rounding', 'THB'),
  })
  const none = { fees: '0+0 0+0', rounding: '0+0' }

  it.each<[string, SettleResult[], ReturnType<typeof all>]>([
    ['a whole fill frees what it did not need', [trade(1n, {}, {})], { ...none, ann: '900+0 10+0', ben: '100+0 40+0' }],
    [
      'a part leaves the hold that it names',
      [trade(1n, { quoteAmount: 40n, holdAfter: 60n }, { quoteAmount: 40n, holdAfter: 6n }, 4n)],
      { ...none, ann: '900+60 4+0', ben: '40+0 40+6' },
    ],
    [
      'fees are taken out of what is received',
      [trade(1n, { fee: 1n }, { fee: 2n })],
      { fees: '2+0 1+0', rounding: '0+0', ann: '900+0 9+0', ben: '98+0 40+0' },
    ],
    [
      'what the buyer pays more than the seller gets is rounding',
      [trade(1n, { quoteAmount: 101n }, {})],
      { ...none, rounding: '1+0', ann: '899+0 10+0', ben: '100+0 40+0' },
    ],
    [
      'a later fill takes back what rounding left',
      [
        trade(1n, { quoteAmount: 41n, holdAfter: 60n }, { quoteAmount: 40n, holdAfter: 6n }, 4n),
        trade(2n, { quoteAmount: 40n }, { quoteAmount: 41n }, 6n),
      ],
      { ...none, ann: '919+0 10+0', ben: '81+0 40+0' },
    ],
    [
      'a fill too small to be worth anything',
      [trade(1n, { quoteAmount: 0n, holdAfter: 120n }, { quoteAmount: 0n, holdAfter: 9n }, 1n)],
      { ...none, ann: '880+120 1+0', ben: '0+0 40+9' },
    ],
    [
      'a smaller order needs less',
      [{ number: 1n, type: 'reduced', orderId: 'buy', holdAfter: 20n }],
      { ...none, ann: '980+20 0+0', ben: '0+0 40+10' },
    ],
    [
      'a closed order needs nothing',
      [{ number: 1n, type: 'closed', orderId: 'sell' }],
      { ...none, ann: '880+120 0+0', ben: '0+0 50+0' },
    ],
    [
      'nor does a rejected one',
      [{ number: 1n, type: 'rejected', orderId: 'buy' }],
      { ...none, ann: '1000+0 0+0', ben: '0+0 40+10' },
    ],
    [
      'closed after all was used',
      [trade(1n, {}, {}), { number: 2n, type: 'closed', orderId: 'buy' }],
      { ...none, ann: '900+0 10+0', ben: '100+0 40+0' },
    ],
    [
      'rejected without ever having held',
      [{ number: 1n, type: 'rejected', orderId: 'unheld' }],
      { ...none, ann: '880+120 0+0', ben: '0+0 40+10' },
    ],
  ])('%s', (_, results, after) => {
    ledger.run(settle(...results))
    expect(all()).toEqual(after)
    expect(ledger.positions.get('BTC-THB')?.resultNumber).toBe(BigInt(results.length))
    ledger.run(settle(...results))
    expect(all()).toEqual(after)
  })

  it.each<[string, SettleResult[]]>([
    ['a gap', [trade(2n, {}, {})]],
    ['a buyer beyond the hold', [trade(1n, { quoteAmount: 121n }, {})]],
    ['a buyer beyond what the hold may lose', [trade(1n, { quoteAmount: 100n, holdAfter: 21n }, {})]],
    ['a seller beyond the hold', [trade(1n, {}, {}, 11n)]],
    ['a hold that would owe', [trade(1n, { holdAfter: -1n }, {})]],
    ['more received than paid', [trade(1n, {}, { quoteAmount: 101n })]],
    ['nothing traded', [trade(1n, {}, {}, 0n)]],
    ['a fee beyond what is received', [trade(1n, { fee: 11n }, {})]],
    ['a rebate that nobody has funded', [trade(1n, { fee: -1n }, {})]],
    ['an unknown buyer', [trade(1n, { orderId: 'unheld' }, {})]],
    ['a reduced order that needs more', [{ number: 1n, type: 'reduced', orderId: 'buy', holdAfter: 121n }]],
    ['an unknown reduced order', [{ number: 1n, type: 'reduced', orderId: 'unheld', holdAfter: 0n }]],
    ['a second use of the same funds', [trade(1n, {}, {}), trade(2n, { orderId: 'buy' }, {})]],
  ])('stops at %s', (_, results) => {
    const before = all()
    expect(() => ledger.run(settle(...results))).toThrow(SettlementError)
    expect(all()).toEqual(before)
  })

  it('pays a rebate out of the account for rebates', () => {
    const rebates = ledger.accounts.get('system/rebates/BTC')!
    const external = ledger.accounts.get('system/external/BTC')!
    for (const [account, amount] of [
      [rebates, 3n],
      [external, -3n],
    ] as const) {
      account.available += amount
      account.postingCount += 1n
      const balanceAfter = account.available
      ledger.postings.push({
        id: `x${amount}`,
        txId: 'fund',
        accountId: account.id,
        number: account.postingCount,
        kind: 'adjustment',
        amount,
        balanceAfter,
      })
    }
    ledger.run(settle(trade(1n, { fee: -2n }, {})))
    expect([of('user/ann', 'BTC'), of('system/rebates', 'BTC')]).toEqual(['12+0', '1+0'])
  })
})
