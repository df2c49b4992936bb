import { randomUUID } from 'node:crypto'
import { waitFor } from '@bitka/testkit'
import { TestExchange, type TestMarket } from './exchange.ts'
import type { Person } from './person.ts'
import { type Body, call, dataOf, essence, refusal, sentence, success, time, uuid, wholePage } from './rest.ts'

let exchange: TestExchange
let alice: Person
let bob: Person
let market: TestMarket
beforeAll(async () => {
  exchange = await TestExchange.start()
  market = await exchange.market()
  alice = await exchange.person('alice')
  bob = await exchange.person('bob')
  await exchange.fund(alice, '100000 THB')
  await exchange.fund(bob, `100 ${market.base}`)
}, 120_000)
afterAll(() => exchange?.stop())

const path = '/v1/orders'
const nobody = '01890000-0000-7000-8000-000000000000'
const limit = (change: object = {}) => ({
  symbol: market.symbol,
  side: 'buy',
  type: 'limit',
  price: '10',
  quantity: '1',
  ...change,
})
const accepted = (client_order_id: string | null = null) =>
  success({ order_id: uuid, client_order_id, status: 'accepted', message: sentence }, 201)
/** An order as GET shows it when it rests. */
const resting = (change: object = {}) => ({
  order_id: uuid,
  client_order_id: null,
  symbol: market.symbol,
  side: 'buy',
  type: 'limit',
  price: '10',
  quantity: '1',
  filled_quantity: '0',
  remaining_quantity: '1',
  status: 'open',
  time_in_force: 'GTC',
  post_only: false,
  self_trade_prevention: 'cancel_newest',
  created_at: time,
  updated_at: time,
  fills: [],
  metadata: {},
  revision: expect.any(Number),
  ...change,
})
const idOf = (answer: { body: Body }): string => dataOf(answer.body).order_id
const settledAccount = (person: Person, asset: string, expected: object) =>
  waitFor(async () => expect(await person.account(asset)).toMatchObject(expected) === undefined || true)

describe('POST /v1/orders', () => {
  it('accepts an order, which holds its funds until it is cancelled', async () => {
    const before = await alice.account('THB')
    const answer = await alice.post(path, { body: limit({ client_order_id: randomUUID() }) })
    expect(essence(answer)).toEqual(accepted(dataOf(answer.body).client_order_id))
    const id = idOf(answer)
    expect(await alice.account('THB')).toMatchObject({ available: String(Number(before.available) - 10), locked: '10' })
    await waitFor(async () => dataOf((await alice.get(`${path}/${id}`)).body).status === 'open')
    const cancelled = success({ order_id: id, status: 'cancelled', message: sentence })
    expect(essence(await alice.delete(`${path}/${id}`))).toEqual(cancelled)
    await settledAccount(alice, 'THB', { available: before.available, locked: '0' })
  })

  it('waits for the engine when it is asked to', async () => {
    const body = limit({ metadata: { why: 'a test' }, time_in_force: 'GTC', post_only: true })
    const answer = await alice.post(path, { body, headers: { prefer: 'wait=5' } })
    const order = resting({ order_id: idOf(answer), post_only: true, metadata: { why: 'a test' } })
    const placed = { order_id: uuid, client_order_id: null, status: 'accepted', message: sentence, order }
    expect(essence(answer)).toEqual(success(placed, 201))
    expect(essence(await alice.get(`${path}/${idOf(answer)}`))).toEqual(success(order))
    await alice.delete(`${path}/${idOf(answer)}`)
  })

  it('places one order for one key, and answers the same again', async () => {
    const key = 'a key of mine'.replaceAll(' ', '-') + randomUUID().slice(0, 8)
    const answers = await Promise.all(Array.from({ length: 4 }, () => alice.post(path, { body: limit(), key })))
    for (const answer of answers) expect(answer.body.data).toEqual(answers[0]?.body.data)
    expect(essence(answers[0]!)).toEqual(accepted())
    const other = await alice.post(path, { body: limit({ quantity: '2' }), key })
    expect(essence(other)).toEqual(refusal('CONFLICT', path))
    await alice.delete(`${path}/${idOf(answers[0]!)}`)
  })

  it('refuses a client_order_id that was used, but not after an order that never was', async () => {
    const client_order_id = randomUUID()
    const much = await alice.post(path, { body: limit({ quantity: '999', price: '9999', client_order_id }) })
    expect(essence(much)).toEqual(refusal('INSUFFICIENT_FUNDS', path))
    const first = await alice.post(path, { body: limit({ client_order_id }) })
    expect(essence(first)).toEqual(accepted(client_order_id))
    const again = await alice.post(path, { body: limit({ client_order_id }) })
    expect(essence(again)).toEqual(refusal('CONFLICT', path, ['client_order_id']))
    await alice.delete(`${path}/${idOf(first)}`)
  })

  test.each([
    [{ symbol: 'NO-PE' }, 'symbol'],
    [{ symbol: undefined }, 'symbol'],
    [{ side: 'keep' }, 'side'],
    [{ side: undefined }, 'side'],
    [{ type: 'stop' }, 'type'],
    [{ price: undefined }, 'price'],
    [{ price: '10.001' }, 'price'],
    [{ price: '0' }, 'price'],
    [{ price: 10 }, 'price'],
    [{ quantity: '1.00001' }, 'quantity'],
    [{ quantity: '0' }, 'quantity'],
    [{ quantity: '1001' }, 'quantity'],
    [{ quantity: '-1' }, 'quantity'],
    [{ type: 'market' }, 'price'],
    [{ type: 'market', price: undefined, post_only: true }, 'post_only'],
    [{ time_in_force: 'GTX' }, 'time_in_force'],
    [{ time_in_force: 'IOC', post_only: true }, 'post_only'],
    [{ client_order_id: 'a b' }, 'client_order_id'],
    [{ client_order_id: 'x'.repeat(65) }, 'client_order_id'],
    [{ metadata: 'text' }, 'metadata'],
    [{ metadata: { long: 'x'.repeat(1100) } }, 'metadata'],
    [{ colour: 'blue' }, 'colour'],
  ])('refuses %j', async (change, field) => {
    expect(essence(await alice.post(path, { body: limit(change) }))).toEqual(refusal('INVALID_INPUT', path, [field]))
  })

  it('refuses too small a notional', async () => {
    const { status, body } = await alice.post(path, { body: limit({ quantity: '0.0001' }) })
    expect({ status, code: body.error.code }).toEqual({ status: 400, code: 'INVALID_INPUT' })
  })

  it('refuses a key that is none, and callers without a token', async () => {
    const bad = await alice.post(path, { body: limit(), key: 'x'.repeat(65) })
    expect(essence(bad)).toEqual(refusal('INVALID_INPUT', path, ['Idempotency-Key']))
    expect(essence(await call(exchange.url, 'POST', path, { body: limit() }))).toEqual(refusal('UNAUTHORIZED', path))
  })
})

describe('a trade', () => {
  let maker: Body
  let taker: Body
  beforeAll(async () => {
    maker = await alice.order('buy', market.symbol, '2', '100')
    taker = await bob.order('sell', market.symbol, '0.5', '99')
  })

  it('fills both orders at the price of the one that rested', async () => {
    const fill = {
      fill_id: expect.stringMatching(/\S/),
      trade_id: expect.stringMatching(/\S/),
      price: '100',
      quantity: '0.5',
      quote_amount: '50',
      timestamp: time,
    }
    const sold = { ...fill, fee: '0.1', fee_asset: 'THB', liquidity: 'taker' }
    expect(taker).toEqual(
      resting({
        side: 'sell',
        price: '99',
        quantity: '0.5',
        filled_quantity: '0.5',
        remaining_quantity: '0',
        status: 'filled',
        fills: [sold],
      }),
    )
    const bought = { ...fill, fee: '0.0005', fee_asset: market.base, liquidity: 'maker' }
    expect(essence(await alice.get(`${path}/${maker.order_id}`))).toEqual(
      success(
        resting({
          price: '100',
          quantity: '2',
          filled_quantity: '0.5',
          remaining_quantity: '1.5',
          status: 'partially_filled',
          fills: [bought],
        }),
      ),
    )
  })

  it('moves the money, less the fees', async () => {
    await settledAccount(alice, market.base, { available: '0.4995', locked: '0' })
    await settledAccount(alice, 'THB', { available: '99800', locked: '150' })
    await settledAccount(bob, market.base, { available: '99.5', locked: '0' })
    await settledAccount(bob, 'THB', { available: '49.9', locked: '0' })
    const { items } = dataOf((await bob.get('/v1/ledger/transactions?asset=THB')).body)
    const side = {
      id: uuid,
      account_id: uuid,
      asset: 'THB',
      status: 'posted',
      description: null,
      metadata: expect.any(Object),
      created_at: time,
    }
    expect(items).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ ...side, type: 'credit', direction: 'in', kind: 'trade', amount: '50' }),
        expect.objectContaining({
          ...side,
          type: 'debit',
          direction: 'out',
          kind: 'fee',
          amount: '0.1',
          balance_after: '49.9',
        }),
      ]),
    )
    expect(items).toHaveLength(2)
  })

  it('shows in GET /v1/fills', async () => {
    const [fill] = taker.fills
    const own = { ...fill, order_id: taker.order_id, symbol: market.symbol, side: 'sell' }
    expect(essence(await bob.get('/v1/fills'))).toEqual(success(wholePage([own])))
    for (const query of [`symbol=${market.symbol}`, `order_id=${taker.order_id}`, 'from=2020-01-01T00:00:00Z']) {
      expect(dataOf((await bob.get(`/v1/fills?${query}`)).body).items).toEqual([own])
    }
    for (const query of ['symbol=BTC-THB', `order_id=${maker.order_id}`, 'to=2020-01-01T00:00:00Z']) {
      expect(essence(await bob.get(`/v1/fills?${query}`))).toEqual(success(wholePage([])))
    }
    expect(essence(await bob.get('/v1/fills?from=soon'))).toEqual(refusal('INVALID_INPUT', '/v1/fills', ['from']))
  })

  it('counts as volume in GET /v1/fees', async () => {
    const { status, body } = await bob.get('/v1/fees?per_page=200')
    const rates = { maker_fee_bps: 10, taker_fee_bps: 20 }
    const { items } = dataOf(body)
    expect({ status, body }).toEqual(success(wholePage(items, 200)))
    expect(items).toEqual(
      expect.arrayContaining([
        { symbol: 'BTC-THB', ...rates, volume_30d: '0' },
        { symbol: market.symbol, ...rates, volume_30d: '50' },
      ]),
    )
  })

  it('cannot be cancelled once it has filled the order', async () => {
    const own = `${path}/${taker.order_id}`
    expect(essence(await bob.delete(own))).toEqual(refusal('CONFLICT', own))
  })
})

describe('what the engine decides', () => {
  let quiet: TestMarket
  beforeAll(async () => {
    quiet = await exchange.market()
    await exchange.fund(bob, `10 ${quiet.base}`)
  })

  const place = async (person: Person, change: object) => {
    const body = { ...limit(), symbol: quiet.symbol, ...change }
    const answer = await person.post(path, { body, headers: { prefer: 'wait=5' } })
    const { status, cancel_reason, reject_reason, filled_quantity } = dataOf(answer.body).order
    return { outcome: dataOf(answer.body).status, status, reason: cancel_reason ?? reject_reason, filled_quantity }
  }

  it('ends orders that may not rest', async () => {
    const market = { type: 'market', price: undefined }
    const nothing = { filled_quantity: '0' }
    expect(await place(alice, { time_in_force: 'IOC' })).toEqual({
      outcome: 'accepted',
      status: 'cancelled',
      reason: 'ioc',
      ...nothing,
    })
    expect(await place(alice, { time_in_force: 'FOK' })).toEqual({
      outcome: 'accepted',
      status: 'cancelled',
      reason: 'fok',
      ...nothing,
    })
    expect(await place(bob, { ...market, side: 'sell' })).toMatchObject({ reason: 'no_liquidity', ...nothing })
    const patient = await place(bob, { ...market, side: 'sell', time_in_force: 'GTC' })
    expect(patient).toMatchObject({ reason: 'no_liquidity', ...nothing })

    const bid = await alice.order('buy', quiet.symbol, '1', '10')
    expect(await place(bob, { side: 'sell', post_only: true })).toEqual({
      outcome: 'rejected',
      status: 'rejected',
      reason: 'post_only_would_take',
      ...nothing,
    })
    expect(await place(alice, { side: 'sell', quantity: '0.1' }).catch(() => 'no funds')).toBe('no funds')
    expect(await place(bob, { ...market, side: 'sell', quantity: '3' })).toMatchObject({
      outcome: 'accepted',
      status: 'cancelled',
      reason: 'no_liquidity',
      filled_quantity: '1',
    })
    expect(dataOf((await alice.get(`${path}/${bid.order_id}`)).body)).toMatchObject({ status: 'filled' })
  })

  it('prevents trades with oneself', async () => {
    const ask = await bob.order('sell', quiet.symbol, '1', '20')
    await exchange.fund(bob, '1000 THB')
    const own = await bob.order('buy', quiet.symbol, '1', '20')
    expect(own).toMatchObject({ status: 'cancelled', cancel_reason: 'self_trade', filled_quantity: '0' })
    expect(dataOf((await bob.get(`${path}/${ask.order_id}`)).body).status).toBe('open')
    await bob.delete(`${path}/${ask.order_id}`)
  })
})

describe('DELETE /v1/orders/{order_id}', () => {
  it('says cancelled again, and knows nobody else’s order', async () => {
    const { order_id } = await alice.order('buy', market.symbol, '1', '1')
    const own = `${path}/${order_id}`
    expect(essence(await bob.delete(own))).toEqual(refusal('NOT_FOUND', own))
    const body = { client_cancel_id: 'c-1', reason: 'changed my mind' }
    const cancelled = success({ order_id, status: 'cancelled', message: sentence })
    expect(essence(await alice.delete(own, { body, key: 'k-1' }))).toEqual(cancelled)
    expect(essence(await alice.delete(own, { body, key: 'k-1' }))).toEqual(cancelled)
    expect(essence(await alice.delete(own))).toEqual(cancelled)
    const after = resting({ price: '1', status: 'cancelled', cancel_reason: 'user' })
    expect(essence(await alice.get(own))).toEqual(success(after))
  })

  it('is 404 for what is no order', async () => {
    for (const id of [nobody, 'not-an-id']) {
      const unknown = `${path}/${id}`
      expect(essence(await alice.delete(unknown))).toEqual(refusal('NOT_FOUND', unknown))
      expect(essence(await alice.get(unknown))).toEqual(refusal('NOT_FOUND', unknown))
    }
  })

  it('checks its body', async () => {
    const { order_id } = await alice.order('buy', market.symbol, '1', '1')
    const own = `${path}/${order_id}`
    const answer = await alice.delete(own, { body: { client_cancel_id: 'a b' } })
    expect(essence(answer)).toEqual(refusal('INVALID_INPUT', own, ['client_cancel_id']))
    await alice.delete(own)
  })
})

describe('GET /v1/orders', () => {
  let carol: Person
  let ids: string[]
  beforeAll(async () => {
    carol = await exchange.person('carol')
    await exchange.fund(carol, '100 THB')
    ids = []
    for (const price of ['1', '2', '3']) {
      const { order_id } = await carol.order('buy', market.symbol, '1', price, { client_order_id: `carol-${price}` })
      ids.unshift(order_id)
    }
    await carol.delete(`${path}/${ids[2]}`)
  })

  it('lists one’s own, newest first, by page and by cursor', async () => {
    const whole = (price: string, change: object = {}) =>
      resting({ order_id: uuid, client_order_id: `carol-${price}`, price, ...change })
    const all = [whole('3'), whole('2'), whole('1', { status: 'cancelled', cancel_reason: 'user' })]
    expect(essence(await carol.get(path))).toEqual(success(wholePage(all)))
    const first = dataOf((await carol.get(`${path}?per_page=2`)).body)
    expect(first.pagination).toEqual({
      page: 1,
      per_page: 2,
      total: 3,
      total_pages: 2,
      next_cursor: expect.any(String),
    })
    const second = await carol.get(`${path}?per_page=2&cursor=${first.pagination.next_cursor}`)
    expect(essence(second)).toEqual(success({ items: all.slice(2), pagination: { per_page: 2 } }))
  })

  test.each([
    ['status=open', 2],
    ['status=cancelled', 1],
    ['client_order_id=carol-2', 1],
    ['symbol=BTC-THB', 0],
  ])('filters by %s', async (query, count) => {
    expect(dataOf((await carol.get(`${path}?${query}`)).body).items).toHaveLength(count)
  })

  it('shows others’ only to operators', async () => {
    const query = `${path}?user_id=${carol.userId}`
    expect(essence(await alice.get(query))).toEqual(refusal('FORBIDDEN', path))
    expect(dataOf((await exchange.operator.get(query)).body).items).toHaveLength(3)
    const own = `${path}/${ids[0]}`
    expect(essence(await alice.get(own))).toEqual(refusal('NOT_FOUND', own))
  })

  it('refuses what it cannot read', async () => {
    expect(essence(await carol.get(`${path}?status=lost`))).toEqual(refusal('INVALID_INPUT', path, ['status']))
    expect(essence(await carol.get(`${path}?per_page=500`))).toEqual(refusal('INVALID_INPUT', path, ['per_page']))
    expect(essence(await carol.get(`${path}?cursor=x`))).toEqual(refusal('INVALID_INPUT', path, ['cursor']))
    expect(essence(await call(exchange.url, 'GET', path))).toEqual(refusal('UNAUTHORIZED', path))
  })

  it('is cancelled as a whole by an operator', async () => {
    const all = `/v1/admin/users/${carol.userId}/cancel-all`
    expect(essence(await carol.post(all, { body: {} }))).toEqual(refusal('FORBIDDEN', all))
    expect(essence(await exchange.operator.post(all, { body: {} }))).toEqual(success({ cancel_requested: 2 }))
    await waitFor(async () => dataOf((await carol.get(`${path}?status=open`)).body).items.length === 0)
    expect(essence(await exchange.operator.post(all))).toEqual(success({ cancel_requested: 0 }))
    await settledAccount(carol, 'THB', { available: '100', locked: '0' })
    for (const id of [nobody, 'not-an-id']) {
      const unknown = `/v1/admin/users/${id}/cancel-all`
      const { status } = await exchange.operator.post(unknown, { body: {} })
      expect([200, 404]).toContain(status)
    }
  })
})
