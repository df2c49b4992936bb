import { randomUUID } from 'node:crypto'
import { Person } from '../person.ts'
import { expectNamed, expectRefusal } from './expected.ts'
import type { Json, RawAnswer } from './raw.ts'
import { routes } from './routes.ts'
import type { Name, World } from './world.ts'

const order = (change: object = {}) => ({
  symbol: 'BTC-THB',
  side: 'buy',
  type: 'limit',
  price: '1000',
  quantity: '0.01',
  ...change,
})

/** What of an answer a repeat gives again: all but the request's own id. */
const told = ({ status, body }: RawAnswer): Json => ({ status, data: body?.data, error: body?.error })

/** The Idempotency-Key: what is none, what is used twice, and what is used by many at once. */
export function idempotencySuite(at: () => World): void {
  const place = (body: object, key?: string, name: Name = 'alice') =>
    at().as(name, { method: 'POST', path: '/v1/orders', body, key })
  const transfer = (change: object, key?: string) => {
    const path = '/v1/ledger/transactions'
    const body = { ...routes[`POST ${path}`]!.body(at()), ...change }
    return at().as('alice', { method: 'POST', path, body, key })
  }
  const total = async (path: string): Promise<number> => (await at().data('alice', path)).pagination.total

  it('is 1 to 64 visible ASCII characters, and a UUID for the ledger', async () => {
    for (const key of ['', ' ', 'a b', 'x'.repeat(65), 'ü', 'a\tb']) {
      expectNamed(await place(order(), key), 400, 'Idempotency-Key')
    }
    for (const key of [
      '',
      'x',
      'x'.repeat(36),
      `${randomUUID()}x`,
      `{${randomUUID()}}`,
      randomUUID().replaceAll('-', ''),
    ]) {
      expectNamed(await transfer({}, key), 400, 'Idempotency-Key')
    }
    const twice = await at().as('alice', {
      method: 'POST',
      path: '/v1/ledger/transactions',
      body: routes['POST /v1/ledger/transactions']!.body(at()),
      headers: { 'idempotency-key': [randomUUID(), randomUUID()] },
    })
    expectNamed(twice, 400, 'Idempotency-Key')
    await at().expectUnchanged()
  })

  it('is not looked at where nothing changes, to sign in and out, and without a token', async () => {
    const world = at()
    const key = 'x'.repeat(100)
    expect((await world.as('alice', { path: '/v1/orders', key })).status).toBe(200)
    const { alice } = world.people
    const body = { identifier: alice.username, password: alice.password }
    const login = await world.send({ method: 'POST', path: '/v1/auth/login', body, key, token: alice.token })
    expect(login.status).toBe(200)
    const token = login.body.data.access_token
    expect((await world.send({ method: 'POST', path: '/v1/auth/logout', key, token })).status).toBe(200)
    const hook = routes['POST /v1/webhooks/mailgun']!.body(world)
    expectRefusal(await world.send({ method: 'POST', path: '/v1/webhooks/mailgun', body: hook, key }), { status: 403 })
    expectRefusal(await world.send({ method: 'POST', path: '/v1/orders', body: order(), key }), { status: 401 })
    await world.expectUnchanged()
  })

  it('what never began is not remembered', async () => {
    const key = randomUUID()
    expectNamed(await place(order({ price: '0' }), key), 400, 'price')
    const first = await place(order({ client_order_id: randomUUID() }), key)
    expect(first.status).toBe(201)
    const money = randomUUID()
    expectNamed(await transfer({ amount: '0' }, money), 400, 'amount')
    expect((await transfer({ amount: '1' }, money)).status).toBe(201)
    await at().remember()
  })

  it('another body, or another order, with the same key is 409, and has no effect', async () => {
    const [orderKey, moneyKey] = [randomUUID(), randomUUID()]
    expect((await place(order(), orderKey)).status).toBe(201)
    expect((await transfer({ amount: '2' }, moneyKey)).status).toBe(201)
    await at().remember()
    for (const change of [{ price: '1001' }, { quantity: '0.010' }, { metadata: {} }, { side: 'sell' }]) {
      expectRefusal(await place(order(change), orderKey), { status: 409 })
    }
    for (const change of [{ amount: '2.00' }, { amount: '3' }, { description: 'other' }]) {
      expectRefusal(await transfer({ amount: '2', ...change }, moneyKey), { status: 409 })
    }
    await at().expectUnchanged()
  })

  it('the same request gets the same answer, refusals too, whatever has changed since', async () => {
    const world = at()
    const cases: readonly (() => Promise<RawAnswer>)[] = [
      (
        (key) => () =>
          place(order({ client_order_id: 'once' }), key)
      )(randomUUID()),
      (
        (key) => () =>
          place(order({ client_order_id: 'once' }), key)
      )(randomUUID()),
      (
        (key) => () =>
          place(order({ quantity: '99', price: '9000000' }), key)
      )(randomUUID()),
      (
        (key) => () =>
          transfer({ amount: '5' }, key)
      )(randomUUID()),
      (
        (key) => () =>
          transfer({ amount: '5000000' }, key)
      )(randomUUID()),
      (
        (key) => () =>
          transfer({ account_id: world.accounts.bob.THB }, key)
      )(randomUUID()),
    ]
    const first: Json[] = []
    for (const send of cases) first.push(told(await send()))
    expect(first.map(({ status }) => status)).toEqual([201, 409, 422, 201, 422, 404])
    // What was refused for want of money would be taken now.
    const credit = { account_id: world.accounts.alice.THB, type: 'credit', amount: '2000000000', asset: 'THB' }
    expect((await world.as('operator', { method: 'POST', path: '/v1/ledger/transactions', body: credit })).status).toBe(
      201,
    )
    await world.remember()
    for (const [index, send] of cases.entries()) expect(told(await send())).toEqual(first[index])
    await world.expectUnchanged()
  })

  it('belongs to one user and one route, and a UUID is one in either case', async () => {
    const key = randomUUID()
    const mine = await place(order(), key)
    const theirs = await place(order(), key, 'bob')
    expect([mine.status, theirs.status]).toEqual([201, 201])
    expect(mine.body.data.order_id).not.toBe(theirs.body.data.order_id)
    const moved = await transfer({ amount: '7' }, key)
    expect(moved.status).toBe(201)
    expect(told(await transfer({ amount: '7' }, key.toUpperCase()))).toEqual(told(moved))
    const path = `/v1/orders/${mine.body.data.order_id}`
    const cancelled = await at().as('alice', { method: 'DELETE', path, key })
    expect(cancelled.body.data).toMatchObject({ status: 'cancelled' })
    expect(told(await at().as('alice', { method: 'DELETE', path, key }))).toEqual(told(cancelled))
    const other = `/v1/orders/${at().orders.alice}`
    expectRefusal(await at().as('alice', { method: 'DELETE', path: other, key }), { status: 409 })
    await at().remember()
  })

  it('sixty at once with one key have one effect', async () => {
    const before = { orders: await total('/v1/orders'), moves: await total('/v1/ledger/transactions') }
    const [orderKey, moneyKey] = [randomUUID(), randomUUID()]
    const sixty = <T>(run: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: 60 }, run))
    const [placed, moved] = await Promise.all([
      sixty(() => place(order({ price: '999' }), orderKey)),
      sixty(() => transfer({ amount: '11' }, moneyKey)),
    ])
    for (const answers of [placed, moved]) {
      expect(answers[0]?.status).toBe(201)
      for (const answer of answers) expect(told(answer)).toEqual(told(answers[0]!))
    }
    expect(await total('/v1/orders')).toBe(before.orders + 1)
    expect(await total('/v1/ledger/transactions')).toBe(before.moves + 1)
  })

  it('of sixty at once with one client_order_id one is taken, and the others are 409', async () => {
    const before = await total('/v1/orders')
    const body = order({ client_order_id: randomUUID(), price: '998' })
    const statuses = (await Promise.all(Array.from({ length: 60 }, () => place(body)))).map(({ status }) => status)
    expect(statuses.sort()).toEqual([201, ...Array(59).fill(409)])
    expect(await total('/v1/orders')).toBe(before + 1)
    // A client_order_id is used up only by an order that exists.
    const poor = order({ client_order_id: randomUUID(), quantity: '100', price: '90000000' })
    expectRefusal(await place(poor), { status: 422 })
    expect((await place({ ...poor, price: '997', quantity: '0.01' })).status).toBe(201)
    await at().remember()
  })

  it('what operators do is remembered too', async () => {
    const world = at()
    const carol = await Person.register(world.url, 'carol')
    const symbol = 'IDEM'
    const asset = { symbol, name: 'Idem', type: 'CRYPTO', decimals: 8 }
    const market = {
      symbol: `${symbol}-THB`,
      base_asset: symbol,
      quote_asset: 'THB',
      tick_size: '0.01',
      lot_size: '0.0001',
      min_quantity: '0.0001',
      max_quantity: '1000',
      min_notional: '1',
    }
    const steps: readonly (readonly [string, object, object])[] = [
      ['/v1/ledger/assets', asset, { ...asset, name: 'Other' }],
      ['/v1/admin/markets', market, { ...market, min_notional: '2' }],
      [`/v1/admin/users/${carol.userId}/disable`, { reason: 'a' }, { reason: 'b' }],
    ]
    for (const [path, body, other] of steps) {
      const key = randomUUID()
      const first = await world.as('operator', { method: 'POST', path, body, key })
      expect([path, first.status]).toEqual([path, /assets$|markets$/.test(path) ? 201 : 200])
      expect(told(await world.as('operator', { method: 'POST', path, body, key }))).toEqual(told(first))
      expectRefusal(await world.as('operator', { method: 'POST', path, body: other, key }), { status: 409 })
    }
    const path = `/v1/admin/users/${carol.userId}/enable`
    expect((await world.as('operator', { method: 'POST', path, key: randomUUID() })).status).toBe(200)
  })
}
