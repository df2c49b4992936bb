import { newId } from '@bitka/kernel'
import { Harness, refusal } from './harness.ts'

describe('lists of accounts', () => {
  let h: Harness
  beforeAll(async () => {
    h = await Harness.open()
  })
  afterAll(() => h.close())

  const list = async (request: object, as = h.operator.as) => {
    const { items, pagination } = await h.ledger.listAccounts(request, as)
    return { assets: items.map(({ asset }) => asset), total: pagination?.total }
  }
  const stored = async (ownerId: string) =>
    (await h.db.query('select from accounts where owner_id = $1', [ownerId])).rowCount

  it('open the accounts of a user for an operator too', async () => {
    const alice = await h.person('alice')
    const whole = { assets: ['BTC', 'THB'], total: 2n }
    expect(await list({ userId: alice.userId.toUpperCase() })).toEqual(whole)
    expect(await list({}, alice.as)).toEqual(whole)
  })

  it('open nothing for an id that is no user’s', async () => {
    const nobody = newId()
    for (const userId of [nobody, 'nobody', '']) {
      expect(await list({ userId })).toEqual({ assets: [], total: 0n })
      expect((await h.ledger.listTransactions({ userId }, h.operator.as)).items).toEqual([])
      expect(await stored(userId)).toBe(0)
    }
    const bob = await h.person('bob')
    expect(await refusal(h.ledger.listAccounts({ userId: nobody }, bob.as))).toMatchObject({ kind: 'forbidden' })
    expect(await refusal(h.ledger.listAccounts({ userId: 'nobody' }, bob.as))).toMatchObject({ kind: 'forbidden' })
  })

  it('are empty for an asset that does not exist', async () => {
    const carol = await h.person('carol')
    for (const asset of ['NONE', 'thb', '']) expect(await list({ asset }, carol.as)).toEqual({ assets: [], total: 0n })
    expect(await list({ asset: 'THB' }, carol.as)).toEqual({ assets: ['THB'], total: 1n })
  })
})
