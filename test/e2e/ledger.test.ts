import { randomUUID } from 'node:crypto'
import { TestExchange } from './exchange.ts'
import type { Person } from './person.ts'
import { type Body, call, dataOf, essence, refusal, sentence, success, time, uuid, wholePage } from './rest.ts'

let exchange: TestExchange
let alice: Person
let bob: Person
beforeAll(async () => {
  exchange = await TestExchange.start()
  alice = await exchange.person('alice')
  bob = await exchange.person('bob')
  await exchange.fund(alice, '1000 THB')
}, 120_000)
afterAll(() => exchange?.stop())

const nobody = '01890000-0000-7000-8000-000000000000'
const transactions = '/v1/ledger/transactions'
const posted = success({ transaction_id: uuid, status: 'posted', message: sentence }, 201)

const accountOf = (person: Person, asset: string, available: string, locked = '0') => ({
  id: uuid,
  user_id: person.userId,
  asset,
  available,
  locked,
  created_at: time,
})

describe('GET /v1/ledger/accounts', () => {
  const path = '/v1/ledger/accounts'

  it('lists what one has of each asset, from the start', async () => {
    const carol = await exchange.person('carol')
    // An exchange that was tested before has more assets than a page.
    const whole = await carol.get(`${path}?per_page=200`)
    const assets = ['BTC', 'ETH', 'THB', 'USDT']
    expect(whole.body.data.items.filter(({ asset }: Body) => assets.includes(asset))).toEqual(
      assets.map((asset) => accountOf(carol, asset, '0')),
    )
    const { body } = await carol.get(path)
    expect(body.data.pagination).toEqual({
      page: 1,
      per_page: 25,
      total: expect.any(Number),
      total_pages: expect.any(Number),
    })
  })

  it('takes a filter', async () => {
    expect(essence(await alice.get(`${path}?asset=THB`))).toEqual(success(wholePage([accountOf(alice, 'THB', '1000')])))
    expect(essence(await alice.get(`${path}?asset=NONE`))).toEqual(success(wholePage([])))
  })

  it('shows others’ only to operators', async () => {
    const query = `${path}?asset=THB&user_id=${alice.userId}`
    expect(essence(await bob.get(query))).toEqual(refusal('FORBIDDEN', path))
    expect(essence(await alice.get(query))).toEqual(success(wholePage([accountOf(alice, 'THB', '1000')])))
    const answer = await exchange.operator.get(query)
    expect(essence(answer)).toEqual(success(wholePage([accountOf(alice, 'THB', '1000')])))
  })

  test.each([
    ['page=0', 'page'],
    ['per_page=201', 'per_page'],
    ['per_page=ten', 'per_page'],
  ])('refuses %s', async (query, field) => {
    expect(essence(await alice.get(`${path}?${query}`))).toEqual(refusal('INVALID_INPUT', path, [field]))
  })

  it('needs a token', async () => {
    expect(essence(await call(exchange.url, 'GET', path))).toEqual(refusal('UNAUTHORIZED', path))
  })
})

describe('GET /v1/ledger/accounts/{account_id}', () => {
  it('is one’s own, or anybody’s for operators; every other is as if it did not exist', async () => {
    const { id } = await alice.account('THB')
    const path = `/v1/ledger/accounts/${id}`
    expect(essence(await alice.get(path))).toEqual(success({ ...accountOf(alice, 'THB', '1000'), id }))
    expect(essence(await exchange.operator.get(path))).toEqual(success({ ...accountOf(alice, 'THB', '1000'), id }))
    expect(essence(await bob.get(path))).toEqual(refusal('NOT_FOUND', path))
    for (const other of [nobody, 'not-an-id']) {
      const unknown = `/v1/ledger/accounts/${other}`
      expect(essence(await alice.get(unknown))).toEqual(refusal('NOT_FOUND', unknown))
    }
  })
})

describe('a transfer', () => {
  let dave: Person
  let erin: Person
  let body: Record<string, unknown>
  beforeAll(async () => {
    dave = await exchange.person('dave')
    erin = await exchange.person('erin')
    await exchange.fund(dave, '100 THB')
    body = {
      account_id: (await dave.account('THB')).id,
      type: 'transfer',
      amount: '12.34',
      asset: 'THB',
      destination_account_username: erin.username,
    }
  })

  it('shows on both sides, joined to each other', async () => {
    const more = { description: 'Lunch', metadata: { table: 7, tags: ['noodles'] } }
    const answer = await dave.post(transactions, { body: { ...body, ...more } })
    expect(essence(answer)).toEqual(posted)
    const { transaction_id: id } = dataOf(answer.body)
    const out = {
      id,
      account_id: body.account_id,
      type: 'transfer',
      direction: 'out',
      kind: 'transfer',
      amount: '12.34',
      asset: 'THB',
      balance_after: '87.66',
      status: 'posted',
      description: 'Lunch',
      metadata: { table: 7, tags: ['noodles'] },
      related_tx_id: uuid,
      created_at: time,
    }
    const own = await dave.get(`${transactions}/${id}`)
    expect(essence(own)).toEqual(success(out))
    const { id: erinsAccount } = await erin.account('THB')
    const other = { ...out, account_id: erinsAccount, direction: 'in', balance_after: '12.34', related_tx_id: id }
    const list = await erin.get(transactions)
    expect(essence(list)).toEqual(success(wholePage([{ ...other, id: dataOf(own.body).related_tx_id }])))
    expect(await erin.account('THB')).toMatchObject({ available: '12.34', locked: '0' })
    expect(essence(await erin.get(`${transactions}/${id}`))).toEqual(refusal('NOT_FOUND', `${transactions}/${id}`))
  })

  it('happens once for one key, and answers the same again', async () => {
    const key = randomUUID()
    const before = (await dave.account('THB')).available
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => dave.post(transactions, { body: { ...body, amount: '1' }, key })),
    )
    for (const answer of answers) expect(answer.body.data).toEqual(answers[0]?.body.data)
    expect(essence(answers[0]!)).toEqual(posted)
    expect(Number(before) - Number((await dave.account('THB')).available)).toBeCloseTo(1)
    const other = await dave.post(transactions, { body: { ...body, amount: '2' }, key })
    expect(essence(other)).toEqual(refusal('CONFLICT', transactions))
  })

  it('remembers a refusal under its key', async () => {
    const key = randomUUID()
    const much = { ...body, amount: '100000' }
    const first = await dave.post(transactions, { body: much, key })
    expect(essence(first)).toEqual(refusal('INSUFFICIENT_FUNDS', transactions))
    await exchange.fund(dave, '200000 THB')
    const again = await dave.post(transactions, { body: much, key })
    expect(essence(again)).toEqual(refusal('INSUFFICIENT_FUNDS', transactions))
    expect(essence(await dave.post(transactions, { body: much, key: randomUUID() }))).toEqual(posted)
  })

  it('takes any UUID as a key and nothing else', async () => {
    const answer = await dave.post(transactions, { body, key: 'not-a-uuid' })
    expect(essence(answer)).toEqual(refusal('INVALID_INPUT', transactions, ['Idempotency-Key']))
  })

  test.each([
    [{ destination_account_username: 'nobody-at-all' }, 'destination_account_username'],
    [{ destination_account_username: undefined }, 'destination_account_username'],
    [{ amount: '1.234' }, 'amount'],
    [{ amount: '0' }, 'amount'],
    [{ amount: '-1' }, 'amount'],
    [{ amount: '1e3' }, 'amount'],
    [{ amount: 1 }, 'amount'],
    [{ asset: 'BTC' }, 'asset'],
    [{ type: 'gift' }, 'type'],
    [{ account_id: undefined }, 'account_id'],
    [{ colour: 'blue' }, 'colour'],
  ])('refuses %j', async (change, field) => {
    const answer = await dave.post(transactions, { body: { ...body, ...change } })
    expect(essence(answer)).toEqual(refusal('INVALID_INPUT', transactions, [field]))
  })

  it('refuses to oneself, and out of somebody else’s account', async () => {
    const own = { ...body, destination_account_username: dave.username }
    expect(essence(await dave.post(transactions, { body: own }))).toEqual(
      refusal('INVALID_INPUT', transactions, ['destination_account_username']),
    )
    expect(essence(await alice.post(transactions, { body }))).toEqual(refusal('NOT_FOUND', transactions))
  })
})

describe('credits and debits', () => {
  it('are for treasury', async () => {
    const { id } = await bob.account('THB')
    const body = { account_id: id, type: 'credit', amount: '5', asset: 'THB' }
    expect(essence(await bob.post(transactions, { body }))).toEqual(refusal('FORBIDDEN', transactions))
  })

  it('are adjustments, and never take more than there is', async () => {
    const frank = await exchange.person('frank')
    const { id } = await frank.account('BTC')
    const body = { account_id: id, asset: 'BTC', description: 'Correction' }
    const { operator } = exchange
    expect(essence(await operator.post(transactions, { body: { ...body, type: 'credit', amount: '1.5' } }))).toEqual(
      posted,
    )
    expect(essence(await operator.post(transactions, { body: { ...body, type: 'debit', amount: '0.5' } }))).toEqual(
      posted,
    )
    const side = {
      id: uuid,
      account_id: id,
      kind: 'adjustment',
      asset: 'BTC',
      status: 'posted',
      description: 'Correction',
      metadata: {},
      related_tx_id: null,
      created_at: time,
    }
    const sides = [
      { ...side, type: 'debit', direction: 'out', amount: '0.5', balance_after: '1' },
      { ...side, type: 'credit', direction: 'in', amount: '1.5', balance_after: '1.5' },
    ]
    expect(essence(await frank.get(transactions))).toEqual(success(wholePage(sides)))
    const more = await operator.post(transactions, { body: { ...body, type: 'debit', amount: '1.00000001' } })
    expect(essence(more)).toEqual(refusal('INSUFFICIENT_FUNDS', transactions))
  })

  it('may be reversed, once', async () => {
    const gina = await exchange.person('gina')
    await exchange.fund(gina, '10 THB')
    const [credit] = dataOf((await gina.get(transactions)).body).items
    const path = `/v1/admin/ledger/transactions/${credit.id}/reverse`
    expect(essence(await gina.post(path, { body: {} }))).toEqual(refusal('FORBIDDEN', path))
    const answer = await exchange.operator.post(path, { body: { reason: 'A mistake' } })
    expect(essence(answer)).toEqual(posted)
    expect(essence(await exchange.operator.post(path, { body: {} }))).toEqual(refusal('CONFLICT', path))
    const { items } = dataOf((await gina.get(transactions)).body)
    expect(items).toEqual([
      {
        ...credit,
        id: dataOf(answer.body).transaction_id,
        type: 'debit',
        direction: 'out',
        kind: 'reversal',
        balance_after: '0',
        description: 'A mistake',
        related_tx_id: credit.id,
        created_at: time,
      },
      { ...credit, status: 'reversed' },
    ])
  })
})

describe('GET /v1/ledger/transactions', () => {
  it('pages by number and by cursor, newest first', async () => {
    const harry = await exchange.person('harry')
    await exchange.fund(harry, '1 THB', '2 THB', '3 THB', '4 THB', '5 THB')
    const amounts = (body: Body) => dataOf(body).items.map(({ amount }: Body) => amount)
    const first = await harry.get(`${transactions}?per_page=2`)
    expect(amounts(first.body)).toEqual(['5', '4'])
    const cursor = expect.stringMatching(/\S/)
    expect(dataOf(first.body).pagination).toEqual({
      page: 1,
      per_page: 2,
      total: 5,
      total_pages: 3,
      next_cursor: cursor,
    })
    const second = await harry.get(`${transactions}?per_page=2&cursor=${dataOf(first.body).pagination.next_cursor}`)
    expect(amounts(second.body)).toEqual(['3', '2'])
    expect(dataOf(second.body).pagination).toEqual({ per_page: 2, next_cursor: cursor })
    const third = await harry.get(`${transactions}?per_page=2&cursor=${dataOf(second.body).pagination.next_cursor}`)
    expect(amounts(third.body)).toEqual(['1'])
    expect(dataOf(third.body).pagination).toEqual({ per_page: 2 })
    expect(amounts((await harry.get(`${transactions}?per_page=2&page=3`)).body)).toEqual(['1'])
  })

  test.each(['account_id', 'asset', 'status', 'from and to'])('filters by %s', async (filter) => {
    const { id } = await alice.account('THB')
    const queries: Record<string, [some: string, none: string]> = {
      account_id: [`account_id=${id}`, `account_id=${nobody}`],
      asset: ['asset=THB', 'asset=BTC'],
      status: ['status=posted', 'status=failed'],
      'from and to': ['from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z', 'to=2020-01-01T00:00:00Z'],
    }
    const [some, none] = queries[filter]!
    expect(dataOf((await alice.get(`${transactions}?${some}`)).body).items).toHaveLength(1)
    expect(essence(await alice.get(`${transactions}?${none}`))).toEqual(success(wholePage([])))
  })

  test.each([
    ['status=lost', 'status'],
    ['from=yesterday', 'from'],
    ['cursor=made-up', 'cursor'],
  ])('refuses %s', async (query, field) => {
    const answer = await alice.get(`${transactions}?${query}`)
    expect(essence(answer)).toEqual(refusal('INVALID_INPUT', transactions, [field]))
  })
})

describe('assets', () => {
  const path = '/v1/ledger/assets'
  const btc = { symbol: 'BTC', name: 'Bitcoin', type: 'CRYPTO', decimals: 8, is_active: true, created_at: time }

  it('are a plain array, for anybody', async () => {
    const { status, body } = await call(exchange.url, 'GET', path)
    expect({ status, body }).toEqual(success(expect.arrayContaining([btc])))
    expect(body.data.map(({ symbol }: Body) => symbol)).toEqual(expect.arrayContaining(['BTC', 'ETH', 'THB', 'USDT']))
  })

  it('can be read one by one', async () => {
    expect(essence(await call(exchange.url, 'GET', `${path}/BTC`))).toEqual(success(btc))
    for (const symbol of ['NOPE', 'btc', '!']) {
      expect(essence(await call(exchange.url, 'GET', `${path}/${symbol}`))).toEqual(
        refusal('NOT_FOUND', `${path}/${symbol}`),
      )
    }
  })

  it('are made and changed by operators; decimals never once there are postings', async () => {
    const { operator } = exchange
    const symbol = `A${exchange.nameOf('').slice(1, 8).toUpperCase()}`
    const body = { symbol, name: 'Ape coin', type: 'CRYPTO', decimals: 4, icon_url: 'https://example.com/a.svg' }
    expect(essence(await alice.post(path, { body }))).toEqual(refusal('FORBIDDEN', path))
    const asset = { ...body, is_active: true, created_at: time }
    expect(essence(await operator.post(path, { body }))).toEqual(success(asset, 201))
    expect(essence(await operator.post(path, { body }))).toEqual(refusal('CONFLICT', path))
    const own = `${path}/${symbol}`
    expect(essence(await alice.put(own, { body: { name: 'Mine' } }))).toEqual(refusal('FORBIDDEN', own))
    const changed = await operator.put(own, { body: { name: 'Ape', decimals: 6 } })
    expect(essence(changed)).toEqual(success({ ...asset, name: 'Ape', decimals: 6 }))
    await exchange.fund(alice, `1 ${symbol}`)
    expect(essence(await operator.put(own, { body: { decimals: 8 } }))).toEqual(refusal('CONFLICT', own))
    expect(dataOf((await operator.put(own, { body: { is_active: false } })).body)).toMatchObject({ is_active: false })
    const active = dataOf((await call(exchange.url, 'GET', `${path}?active_only=true`)).body)
    expect(active.map((one: Body) => one.symbol)).not.toContain(symbol)
    const unknown = `${path}/ZZZZZZZZZZ`
    expect(essence(await operator.put(unknown, { body: { name: 'X' } }))).toEqual(refusal('NOT_FOUND', unknown))
  })

  test.each([
    [{ symbol: 'btc' }, 'symbol'],
    [{ name: '' }, 'name'],
    [{ type: 'STOCK' }, 'type'],
    [{ decimals: 19 }, 'decimals'],
    [{ decimals: undefined }, 'decimals'],
    [{ icon_url: 'javascript:alert(1)' }, 'icon_url'],
  ])('refuses %j', async (change, field) => {
    const body = { symbol: 'NEW', name: 'New', type: 'CRYPTO', decimals: 2, ...change }
    expect(essence(await exchange.operator.post(path, { body }))).toEqual(refusal('INVALID_INPUT', path, [field]))
  })
})
