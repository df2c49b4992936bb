import { MAX_MINOR } from '@bitka/kernel'
import { checkInvariants } from '../../test/invariants.ts'
import { MemoryLedger } from '../../test/memory.ts'
import type { BatchItem } from './items.ts'
import { type AnswerKey, MAX_SUPPLY } from './model.ts'

const note = { author: 'test' }
const key = (name: string, body = 'same'): AnswerKey => ({
  scope: 's',
  userId: 'u',
  key: name,
  requestHash: Buffer.from(body),
})

const credit = (who: string, amount: bigint): BatchItem => ({
  op: { type: 'adjust', direction: 'credit', accountId: `user/${who}/THB`, asset: 'THB', amount, decimals: 2, note },
})
const debit = (who: string, amount: bigint): BatchItem => ({
  op: { type: 'adjust', direction: 'debit', accountId: `user/${who}/THB`, asset: 'THB', amount, decimals: 2, note },
})
const transfer = (from: string, to: string, amount: bigint, own: Partial<BatchItem> = {}): BatchItem => ({
  op: { type: 'transfer', accountId: `user/${from}/THB`, asset: 'THB', toUserId: to, amount, note },
  ...own,
})

describe('money that moves', () => {
  let ledger: MemoryLedger
  beforeEach(() => {
    ledger = new MemoryLedger()
    ledger.addAsset('THB')
    for (const name of ['ann', 'ben', 'cat']) ledger.account(name, 'THB')
  })
  afterEach(() => checkInvariants(ledger))

  const outcomes = (...items: BatchItem[]) =>
    ledger.run(...items).map((result) => (result.ok ? 'ok' : result.refusal.kind))
  const balances = () => ['ann', 'ben', 'cat'].map((name) => ledger.account(name, 'THB').available)

  it.each<[string, BatchItem[], string, bigint[]]>([
    ['a credit pays for what comes after it', [credit('ann', 5n), transfer('ann', 'ben', 5n)], 'ok ok', [0n, 5n, 0n]],
    [
      'and not for what came before',
      [transfer('ann', 'ben', 5n), credit('ann', 5n)],
      'insufficient_funds ok',
      [5n, 0n, 0n],
    ],
    [
      'money goes through three accounts in one batch',
      [credit('ann', 5n), transfer('ann', 'ben', 5n), transfer('ben', 'cat', 5n)],
      'ok ok ok',
      [0n, 0n, 5n],
    ],
    [
      'a refusal leaves its neighbours alone',
      [credit('ann', 5n), transfer('ann', 'ben', 6n), transfer('ann', 'ben', 4n)],
      'ok insufficient_funds ok',
      [1n, 4n, 0n],
    ],
    [
      'a debit takes what is there and no more',
      [credit('ann', 5n), debit('ann', 6n), debit('ann', 5n)],
      'ok insufficient_funds ok',
      [0n, 0n, 0n],
    ],
    [
      'all that can exist',
      [credit('ann', MAX_SUPPLY), transfer('ann', 'ben', MAX_SUPPLY)],
      'ok ok',
      [0n, MAX_SUPPLY, 0n],
    ],
    ['and not one more', [credit('ann', MAX_SUPPLY), credit('ben', 1n)], 'ok conflict', [MAX_SUPPLY, 0n, 0n]],
    [
      'the largest amount there is',
      [credit('ann', MAX_MINOR), transfer('ann', 'ben', MAX_MINOR)],
      'conflict insufficient_funds',
      [0n, 0n, 0n],
    ],
    ['an unknown account', [transfer('nobody', 'ben', 1n), debit('nobody', 1n)], 'not_found not_found', [0n, 0n, 0n]],
    [
      'a key is answered once',
      [credit('ann', 9n), transfer('ann', 'ben', 4n, { key: key('k') }), transfer('ann', 'ben', 4n, { key: key('k') })],
      'ok ok ok',
      [5n, 4n, 0n],
    ],
    [
      'a key with another request',
      [
        credit('ann', 9n),
        transfer('ann', 'ben', 4n, { key: key('k') }),
        transfer('ann', 'ben', 1n, { key: key('k', 'other') }),
      ],
      'ok ok conflict',
      [5n, 4n, 0n],
    ],
    [
      'linked items succeed together',
      [credit('ann', 9n), transfer('ann', 'ben', 4n, { linked: true }), transfer('ben', 'cat', 4n)],
      'ok ok ok',
      [5n, 0n, 4n],
    ],
    [
      'or fail together',
      [credit('ann', 9n), transfer('ann', 'ben', 4n, { linked: true }), transfer('ben', 'cat', 5n)],
      'ok conflict insufficient_funds',
      [9n, 0n, 0n],
    ],
  ])('%s', (_, items, expected, after) => {
    expect(outcomes(...items).join(' ')).toBe(expected)
    expect(balances()).toEqual(after)
  })

  it('remembers a refusal for its key, and not what never began', () => {
    expect(outcomes(transfer('ann', 'ben', 5n, { key: key('poor') }))).toEqual(['insufficient_funds'])
    ledger.run(credit('ann', 5n))
    expect(ledger.run(transfer('ann', 'ben', 5n, { key: key('poor') }))).toMatchObject([{ ok: false, replayed: true }])
    const stale: BatchItem = {
      op: {
        type: 'adjust',
        direction: 'credit',
        accountId: 'user/ann/THB',
        asset: 'THB',
        amount: 1n,
        decimals: 8,
        note,
      },
      key: key('stale'),
    }
    expect(outcomes(stale)).toEqual(['unavailable'])
    expect(ledger.answers.size).toBe(1)
  })

  it('stays where an account is frozen or the asset does not take transfers', () => {
    ledger.run(credit('ann', 5n))
    Object.assign(ledger.account('ann', 'THB'), { frozen: true })
    expect(outcomes(transfer('ann', 'ben', 1n), debit('ann', 1n))).toEqual(['conflict', 'ok'])
    Object.assign(ledger.account('ann', 'THB'), { frozen: false })
    ledger.assets.set('THB', { symbol: 'THB', decimals: 2, isActive: false })
    expect(outcomes(transfer('ann', 'ben', 1n), debit('ann', 1n))).toEqual(['conflict', 'ok'])
  })

  it('is told to others once', () => {
    ledger.run(
      credit('ann', 5n),
      transfer('ann', 'ben', 3n, { key: key('k') }),
      transfer('ann', 'ben', 3n, { key: key('k') }),
      debit('ben', 1n),
    )
    ledger.run(transfer('ann', 'ben', 3n, { key: key('k') }))
    expect(ledger.events.map(({ type, userId, toUserId, amount }) => [type, userId, toUserId, amount])).toEqual([
      ['deposited', 'ann', undefined, 5n],
      ['transferred', 'ann', 'ben', 3n],
      ['withdrawn', 'ben', undefined, 1n],
    ])
  })

  it('goes back once, as long as it is there', () => {
    const [credited, sent] = ledger.run(credit('ann', 5n), transfer('ann', 'ben', 3n))
    const idOf = (result: typeof credited) => (result?.ok ? (result.answer.postingId ?? '') : '')
    const reverse = (postingId: string): BatchItem => ({ op: { type: 'reverse', postingId, note } })
    expect(outcomes(reverse(idOf(credited)))).toEqual(['insufficient_funds'])
    expect(outcomes(reverse(idOf(sent)), reverse(idOf(sent)), reverse(idOf(credited)), reverse('unknown'))).toEqual([
      'ok',
      'conflict',
      'ok',
      'not_found',
    ])
    expect(balances()).toEqual([0n, 0n, 0n])
  })
})
