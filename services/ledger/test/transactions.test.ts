import { newId } from '@bitka/kernel'
import { AuditRecordedSchema } from '@bitka/proto/bitka/events/v1/audit_pb'
import {
  AccountSchema,
  type StreamBalancesResponse,
  type Transaction,
  TransactionSchema,
  TransactionStatus,
  TransactionType,
} from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { fromBinary, toJson } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import { Harness, type Person, refusal } from './harness.ts'

const { CREDIT, DEBIT, TRANSFER } = TransactionType
const TIME = expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/)
const ID = expect.stringMatching(/^[0-9a-f-]{36}$/)
const json = (transaction: Transaction) => toJson(TransactionSchema, transaction)

describe('transactions', () => {
  let h: Harness
  let alice: Person
  let bob: Person
  let account: string
  beforeAll(async () => {
    h = await Harness.open()
  })
  afterAll(() => h.close())
  beforeEach(async () => {
    const unique = newId()
    alice = await h.person(`alice-${unique}`)
    bob = await h.person(`bob-${unique}`)
    account = await h.accountOf(alice, 'THB')
    await h.credit(alice, 'THB', '100')
  })
  afterEach(() => h.checkBooks())

  const listed = async (person: Person, own: object = {}) => (await h.ledger.listTransactions(own, person.as)).items
  const audited = async (action: string) => {
    const { rows } = await h.db.query<{ value: Buffer }>(
      `select value from outbox where topic = 'system.audit.log.ledger' order by id`,
    )
    return rows.map(({ value }) => fromBinary(AuditRecordedSchema, value)).filter((record) => record.action === action)
  }

  it('opens an account in every active asset the first time they are listed', async () => {
    const { items, pagination } = await h.ledger.listAccounts({}, bob.as)
    expect(items.map((item) => toJson(AccountSchema, item))).toEqual(
      ['BTC', 'THB'].map((asset) => ({
        id: ID,
        userId: bob.userId,
        asset,
        available: '0',
        locked: '0',
        createdAt: TIME,
      })),
    )
    expect(pagination).toMatchObject({ page: 1, perPage: 25, total: 2n, totalPages: 1 })
    const again = await h.ledger.listAccounts({ userId: bob.userId }, h.operator.as)
    expect(again.items).toEqual(items)
    expect((await h.ledger.getAccount({ accountId: items[0]!.id }, bob.as)).account).toEqual(items[0])
  })

  it('shows a transfer in both accounts, each side with the other’s id', async () => {
    const request = {
      accountId: account,
      type: TRANSFER,
      amount: '30.5',
      asset: 'THB',
      description: 'for lunch',
      metadata: { invoice: 7 },
      destinationAccountUsername: bob.username.toUpperCase(),
    }
    const { transactionId, status, message } = await h.ledger.createTransaction(request, alice.as)
    expect([status, message]).toEqual([TransactionStatus.POSTED, 'The transfer was posted.'])
    const [sent] = await listed(alice)
    const [received] = await listed(bob)
    const common = {
      type: 'TRANSACTION_TYPE_TRANSFER',
      kind: 'TRANSACTION_KIND_TRANSFER',
      amount: '30.5',
      asset: 'THB',
      status: 'TRANSACTION_STATUS_POSTED',
      description: 'for lunch',
      metadata: { invoice: 7 },
      createdAt: TIME,
    }
    expect(json(sent!)).toEqual({
      ...common,
      id: transactionId,
      accountId: account,
      direction: 'TRANSACTION_DIRECTION_OUT',
      balanceAfter: '69.5',
      relatedTxId: received!.id,
    })
    expect(json(received!)).toEqual({
      ...common,
      id: ID,
      accountId: await h.accountOf(bob, 'THB'),
      direction: 'TRANSACTION_DIRECTION_IN',
      balanceAfter: '30.5',
      relatedTxId: transactionId,
    })
    expect((await h.ledger.getTransaction({ transactionId }, alice.as)).transaction).toEqual(sent)
    const audit = await audited('ledger.transfer')
    expect(audit.at(-1)).toMatchObject({ actorId: alice.userId, targetId: account })
  })

  it('posts treasury’s credits and debits as adjustments', async () => {
    const debit = { accountId: account, type: DEBIT, amount: '0.01', asset: 'THB' }
    const { transactionId } = await h.ledger.createTransaction(debit, h.treasury.as)
    const [last, first] = await listed(alice)
    expect(json(last!)).toEqual({
      id: transactionId,
      accountId: account,
      type: 'TRANSACTION_TYPE_DEBIT',
      direction: 'TRANSACTION_DIRECTION_OUT',
      kind: 'TRANSACTION_KIND_ADJUSTMENT',
      amount: '0.01',
      asset: 'THB',
      balanceAfter: '99.99',
      status: 'TRANSACTION_STATUS_POSTED',
      metadata: {},
      createdAt: TIME,
    })
    expect(json(first!)).toMatchObject({
      type: 'TRANSACTION_TYPE_CREDIT',
      direction: 'TRANSACTION_DIRECTION_IN',
      amount: '100',
    })
    const topics = await h.db.query<{ topic: string }>(`select topic from outbox where key = $1 order by id`, [
      alice.userId,
    ])
    expect(topics.rows.map(({ topic }) => topic)).toEqual([
      'accounting.ledger.deposited',
      'accounting.ledger.withdrawn',
    ])
    expect((await audited('admin.ledger.debit')).at(-1)).toMatchObject({ actorId: h.treasury.userId })
  })

  it('refuses what does not fit, field by field', async () => {
    const good = {
      accountId: account,
      type: TRANSFER,
      amount: '1',
      asset: 'THB',
      destinationAccountUsername: bob.username,
    }
    const cases: [object, string, string?][] = [
      [{ amount: '0' }, 'invalid', 'amount'],
      [{ amount: '-1' }, 'invalid', 'amount'],
      [{ amount: '1.001' }, 'invalid', 'amount'],
      [{ amount: '1.1234567890123456789' }, 'invalid', 'amount'],
      [{ amount: '1e3' }, 'invalid', 'amount'],
      [{ amount: '' }, 'invalid', 'amount'],
      [{ amount: '9'.repeat(39) }, 'invalid', 'amount'],
      [{ amount: '9'.repeat(36) }, 'insufficient_funds'],
      [{ amount: '100.01' }, 'insufficient_funds'],
      [{ asset: 'BTC' }, 'invalid', 'asset'],
      [{ asset: '' }, 'invalid', 'asset'],
      [{ accountId: '' }, 'invalid', 'account_id'],
      [{ accountId: newId() }, 'not_found'],
      [{ accountId: 'nothing' }, 'not_found'],
      [{ accountId: await h.accountOf(bob, 'THB') }, 'not_found'],
      [{ type: 0 }, 'invalid', 'type'],
      [{ destinationAccountUsername: undefined }, 'invalid', 'destination_account_username'],
      [{ destinationAccountUsername: 'nobody' }, 'invalid', 'destination_account_username'],
      [{ destinationAccountUsername: alice.username }, 'invalid', 'destination_account_username'],
      [{ description: 'x'.repeat(201) }, 'invalid', 'description'],
      [{ metadata: { long: 'x'.repeat(1_024) } }, 'invalid', 'metadata'],
      [{ metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 1])) }, 'invalid', 'metadata'],
      [{ type: CREDIT, destinationAccountUsername: undefined }, 'forbidden'],
      [{ type: DEBIT, destinationAccountUsername: undefined }, 'forbidden'],
    ]
    for (const [change, kind, field] of cases) {
      const { kind: got, details } = await refusal(h.ledger.createTransaction({ ...good, ...change }, alice.as))
      expect([change, got, Object.keys(details)]).toEqual([change, kind, field ? [field] : []])
    }
    expect(await h.balances(alice)).toEqual({ THB: '100 + 0' })
  })

  it('names every field at fault at once', async () => {
    const fields = async (request: object, person: Person = alice) => {
      const { kind, details } = await refusal(h.ledger.createTransaction(request, person.as))
      return [kind, ...Object.keys(details).sort()]
    }
    expect(await fields({})).toEqual(['invalid', 'account_id', 'amount', 'asset', 'type'])
    const long = 'x'.repeat(2_000)
    expect(await fields({ type: TRANSFER, amount: '1,5', description: long, metadata: { long } })).toEqual([
      'invalid',
      'account_id',
      'amount',
      'asset',
      'description',
      'destination_account_username',
      'metadata',
    ])
    // What only the account and the directory know.
    const misfit = { accountId: account, type: TRANSFER, amount: '1.001', asset: 'BTC' }
    expect(await fields({ ...misfit, destinationAccountUsername: alice.username })).toEqual([
      'invalid',
      'amount',
      'asset',
      'destination_account_username',
    ])
    expect(await fields({ type: CREDIT })).toEqual(['forbidden'])
    expect(await fields({ type: CREDIT, amount: '' }, h.treasury)).toEqual(['invalid', 'account_id', 'amount', 'asset'])
  })

  it('never issues more of an asset than it can count', async () => {
    await h.addAsset('HUGE', 0)
    const huge = { accountId: await h.accountOf(alice, 'HUGE'), type: CREDIT, asset: 'HUGE' }
    await h.ledger.createTransaction({ ...huge, amount: `1${'0'.repeat(36)}` }, h.treasury.as)
    expect(await refusal(h.ledger.createTransaction({ ...huge, amount: '1' }, h.treasury.as))).toMatchObject({
      kind: 'conflict',
    })
    expect(await h.balances(alice)).toMatchObject({ HUGE: `1${'0'.repeat(36)} + 0` })
  })

  it('answers a key with its first answer for good', async () => {
    const key = newId()
    const first = await h.transfer(alice, bob.username, account, '10', { key })
    expect(await h.transfer(alice, bob.username, account, '10', { key })).toEqual(first)
    expect(await refusal(h.transfer(alice, bob.username, account, '11', { key }))).toMatchObject({ kind: 'conflict' })
    const poor = newId()
    expect(await refusal(h.transfer(alice, bob.username, account, '91', { key: poor }))).toMatchObject({
      kind: 'insufficient_funds',
    })
    await h.credit(alice, 'THB', '1000')
    expect(await refusal(h.transfer(alice, bob.username, account, '91', { key: poor }))).toMatchObject({
      kind: 'insufficient_funds',
    })
    expect(await refusal(h.transfer(alice, bob.username, account, '1', { key: 'no-uuid' }))).toMatchObject({
      kind: 'invalid',
    })
    // What never began is not remembered.
    const early = newId()
    expect(await refusal(h.transfer(alice, 'later', account, '1', { key: early }))).toMatchObject({ kind: 'invalid' })
    await h.person('later')
    await h.transfer(alice, 'later', account, '1', { key: early })
    expect(await h.balances(alice)).toEqual({ THB: '1089 + 0' })
    // A key is its user's own.
    const other = await h
      .credit(bob, 'THB', '10')
      .then(async () => h.transfer(bob, alice.username, await h.accountOf(bob, 'THB'), '10', { key }))
    expect(other.transactionId).not.toBe(first.transactionId)
  })

  it('remembers that an account was not found', async () => {
    const key = newId()
    expect(await refusal(h.transfer(alice, bob.username, newId(), '10', { key }))).toMatchObject({ kind: 'not_found' })
    expect(await refusal(h.transfer(alice, bob.username, account, '10', { key }))).toMatchObject({ kind: 'conflict' })
  })

  it('shows nobody what is somebody else’s', async () => {
    const { transactionId } = await h.transfer(alice, bob.username, account, '10')
    for (const id of [transactionId, newId(), 'nothing']) {
      expect(await refusal(h.ledger.getTransaction({ transactionId: id }, bob.as))).toMatchObject({ kind: 'not_found' })
    }
    for (const id of [account, newId(), 'nothing']) {
      expect(await refusal(h.ledger.getAccount({ accountId: id }, bob.as))).toMatchObject({ kind: 'not_found' })
    }
    expect(await listed(bob, { accountId: account })).toEqual([])
    const foreign = { userId: alice.userId }
    expect(await refusal(h.ledger.listAccounts(foreign, bob.as))).toMatchObject({ kind: 'forbidden' })
    expect(await refusal(h.ledger.listTransactions(foreign, bob.as))).toMatchObject({ kind: 'forbidden' })
    expect((await h.ledger.getTransaction({ transactionId }, h.operator.as)).transaction?.id).toBe(transactionId)
    expect((await h.ledger.listTransactions(foreign, h.operator.as)).items).toHaveLength(2)
    const { rows } = await h.db.query<{ id: string }>(`select id from accounts where owner_kind = 'system' limit 1`)
    expect(await refusal(h.ledger.getAccount({ accountId: rows[0]!.id }, h.operator.as))).toMatchObject({
      kind: 'not_found',
    })
  })

  it('lists by page, by cursor and by filter', async () => {
    const bobAccount = await h.accountOf(bob, 'THB')
    for (let amount = 1; amount <= 5; amount += 1) await h.transfer(alice, bob.username, account, String(amount))
    await h.transfer(bob, alice.username, bobAccount, '2')
    await h.credit(alice, 'BTC', '1')
    const amounts = async (request: object) =>
      (await listed(alice, request)).map(({ amount, asset }) => `${amount} ${asset}`)
    const all = ['1 BTC', '2 THB', '5 THB', '4 THB', '3 THB', '2 THB', '1 THB', '100 THB']
    expect(await amounts({})).toEqual(all)
    expect(await amounts({ asset: 'BTC' })).toEqual(['1 BTC'])
    expect(await amounts({ accountId: account })).toEqual(all.slice(1))
    expect(await amounts({ page: 2, perPage: 3 })).toEqual(all.slice(3, 6))
    const page = await h.ledger.listTransactions({ perPage: 3 }, alice.as)
    expect(page.pagination).toMatchObject({
      page: 1,
      perPage: 3,
      total: 8n,
      totalPages: 3,
      nextCursor: expect.any(String),
    })
    const walked: Transaction[] = []
    for (let cursor = page.pagination?.nextCursor; cursor; ) {
      const { items, pagination } = await h.ledger.listTransactions({ perPage: 3, cursor }, alice.as)
      expect([pagination?.perPage, pagination?.page, pagination?.total, pagination?.totalPages]).toEqual([
        3,
        undefined,
        undefined,
        undefined,
      ])
      walked.push(...items)
      cursor = pagination?.nextCursor
    }
    expect([...page.items, ...walked].map(({ amount }) => amount)).toEqual(all.map((text) => text.split(' ')[0]))
    const cursor = page.pagination?.nextCursor
    const both = await h.ledger.listTransactions({ perPage: 3, page: 3, cursor }, alice.as)
    expect(both).toEqual(await h.ledger.listTransactions({ perPage: 3, cursor }, alice.as))
    const from = page.items[2]!.createdAt
    expect(await amounts({ from })).toEqual(all.slice(0, 3))
    expect(await amounts({ to: from })).toEqual(all.slice(3))
    expect((await h.ledger.listTransactions({ to: from }, alice.as)).pagination?.total).toBe(5n)
    expect(await amounts({ status: TransactionStatus.PENDING })).toEqual([])
    expect(await amounts({ from: timestampFromDate(new Date(Date.now() + 60_000)) })).toEqual([])
    for (const bad of [
      { page: 0 },
      { perPage: 201 },
      { cursor: 'x' },
      { cursor: Buffer.from('["a","b"]').toString('base64url') },
    ]) {
      expect(await refusal(h.ledger.listTransactions(bad, alice.as))).toMatchObject({ kind: 'invalid' })
    }
  })

  describe('reversal', () => {
    const reverse = (transactionId: string, key?: string) =>
      h.ledger.reverseTransaction(
        { transactionId, reason: 'a mistake' },
        { ...h.treasury.as, ...(key ? { edge: { idempotencyKey: key } } : {}) },
      )

    it('undoes a transfer once, from either side', async () => {
      const { transactionId } = await h.transfer(alice, bob.username, account, '10')
      const received = (await listed(bob))[0]!
      const key = newId()
      const undone = await reverse(received.id, key)
      expect(await reverse(received.id, key)).toEqual(undone)
      expect(await refusal(reverse(transactionId))).toMatchObject({ kind: 'conflict' })
      expect(await refusal(reverse(undone.transactionId))).toMatchObject({ kind: 'conflict' })
      expect(await h.balances(alice)).toEqual({ THB: '100 + 0' })
      expect(await h.balances(bob)).toEqual({})
      const [undo, original] = await listed(bob)
      expect(json(undo!)).toEqual({
        id: undone.transactionId,
        accountId: received.accountId,
        type: 'TRANSACTION_TYPE_DEBIT',
        direction: 'TRANSACTION_DIRECTION_OUT',
        kind: 'TRANSACTION_KIND_REVERSAL',
        amount: '10',
        asset: 'THB',
        balanceAfter: '0',
        status: 'TRANSACTION_STATUS_POSTED',
        description: 'a mistake',
        metadata: {},
        relatedTxId: received.id,
        createdAt: TIME,
      })
      expect(json(original!)).toMatchObject({ id: received.id, status: 'TRANSACTION_STATUS_REVERSED' })
      const ids = async (status: TransactionStatus) => (await listed(alice, { status })).map(({ id }) => id)
      expect(await ids(TransactionStatus.REVERSED)).toEqual([transactionId])
      expect(await ids(TransactionStatus.POSTED)).toHaveLength(2)
      expect((await audited('admin.ledger.reverse')).at(-1)).toMatchObject({ actorId: h.treasury.userId })
    })

    it('undoes a credit while the funds are there', async () => {
      const credit = await h.credit(alice, 'THB', '50')
      await h.transfer(alice, bob.username, account, '120')
      expect(await refusal(reverse(credit))).toMatchObject({ kind: 'insufficient_funds' })
      await h.credit(alice, 'THB', '20')
      await reverse(credit)
      expect(await h.balances(alice)).toEqual({})
    })

    it('is for treasury, and for what exists', async () => {
      const { transactionId } = await h.transfer(alice, bob.username, account, '10')
      for (const who of [alice, h.operator]) {
        expect(await refusal(h.ledger.reverseTransaction({ transactionId }, who.as))).toMatchObject({
          kind: 'forbidden',
        })
      }
      for (const id of ['nothing', newId()]) expect(await refusal(reverse(id))).toMatchObject({ kind: 'not_found' })
    })
  })

  it('streams balances: a snapshot, then each change', async () => {
    const abort = new AbortController()
    const stream = h.ledger.streamBalances({}, { ...alice.as, signal: abort.signal })[Symbol.asyncIterator]()
    const next = async () => {
      const { value }: IteratorResult<StreamBalancesResponse, undefined> = await stream.next()
      const items = value?.items.filter(({ asset }) => asset !== 'HUGE') ?? []
      return [value?.snapshot, items.map((item) => `${item.asset} ${item.available} + ${item.locked}`)]
    }
    expect(await next()).toEqual([true, ['BTC 0 + 0', 'THB 100 + 0']])
    await h.hold(alice, 'THB', 40_00n)
    expect(await next()).toEqual([false, ['THB 60 + 40']])
    await h.transfer(alice, bob.username, account, '10')
    expect(await next()).toEqual([false, ['THB 50 + 40']])
    abort.abort()
    await stream.next().catch(() => undefined)
  })
})
