import { waitFor } from '@bitka/testkit'
import { TestExchange, type TestMarket } from './exchange.ts'
import { Person } from './person.ts'
import { type Body, call, dataOf, essence, refusal, success, time, uuid, wholePage } from './rest.ts'

let exchange: TestExchange
let alice: Person
let operator: Person
let market: TestMarket
beforeAll(async () => {
  exchange = await TestExchange.start()
  operator = exchange.operator
  alice = await exchange.person('alice')
  market = await exchange.market()
}, 120_000)
afterAll(() => exchange?.stop())

const nobody = '01890000-0000-7000-8000-000000000000'
const userOf = (person: Person, change: object = {}) => ({
  id: person.userId,
  username: person.username,
  email: person.email,
  roles: ['user'],
  disabled: false,
  created_at: time,
  ...change,
})

describe('users', () => {
  const path = '/v1/admin/users'

  it('are listed for operators, by a filter', async () => {
    const page = { page: 1, per_page: 25, total: 1, total_pages: 1 }
    const one = success({ items: [userOf(alice)], pagination: page })
    expect(essence(await operator.get(`${path}?query=${alice.username}`))).toEqual(one)
    expect(essence(await operator.get(`${path}?query=${alice.email}`))).toEqual(one)
    const admins = dataOf((await operator.get(`${path}?role=admin`)).body).items
    expect(admins.map(({ id }: Body) => id)).toContain(operator.userId)
    expect(essence(await operator.get(`${path}?role=king`))).toEqual(refusal('INVALID_INPUT', path, ['role']))
    expect(essence(await alice.get(path))).toEqual(refusal('FORBIDDEN', path))
  })

  it('get roles from admins, which end their sessions', async () => {
    const bob = await exchange.person('bob')
    const roles = `${path}/${bob.userId}/roles`
    const body = { roles: ['support', 'auditor'] }
    expect(essence(await alice.put(roles, { body }))).toEqual(refusal('FORBIDDEN', roles))
    const answer = await operator.put(roles, { body })
    const all = expect.arrayContaining(['user', 'support', 'auditor'])
    expect(essence(answer)).toEqual(success(userOf(bob, { roles: all })))
    await waitFor(async () => (await bob.get('/v1/users/me')).status === 401)
    const again = await Person.signIn(exchange.url, bob.username, bob.password)
    expect((await again.get('/v1/admin/audit')).status).toBe(200)
    const bad = await operator.put(roles, { body: { roles: ['king'] } })
    expect(essence(bad)).toMatchObject({ status: 400, body: { error: { code: 'INVALID_INPUT' } } })
    const unknown = `${path}/${nobody}/roles`
    expect(essence(await operator.put(unknown, { body }))).toEqual(refusal('NOT_FOUND', unknown))
  })

  it('are disabled and enabled', async () => {
    const carol = await exchange.person('carol')
    const [disable, enable] = [`${path}/${carol.userId}/disable`, `${path}/${carol.userId}/enable`]
    expect(essence(await alice.post(disable, { body: {} }))).toEqual(refusal('FORBIDDEN', disable))
    const disabled = success(userOf(carol, { disabled: true }))
    expect(essence(await operator.post(disable, { body: { reason: 'lost phone' } }))).toEqual(disabled)
    expect(essence(await operator.post(disable, { body: {} }))).toEqual(disabled)
    await waitFor(async () => (await carol.get('/v1/users/me')).status === 401)
    await expect(Person.signIn(exchange.url, carol.username, carol.password)).rejects.toThrow('UNAUTHORIZED')
    expect(essence(await operator.post(enable, { body: {} }))).toEqual(success(userOf(carol)))
    await Person.signIn(exchange.url, carol.username, carol.password)
    for (const id of [nobody, 'not-an-id']) {
      const unknown = `${path}/${id}/disable`
      expect(essence(await operator.post(unknown, { body: {} }))).toEqual(refusal('NOT_FOUND', unknown))
    }
  })
})

describe('markets', () => {
  const path = '/v1/admin/markets'
  const rules = () => ({
    symbol: market.symbol,
    base_asset: market.base,
    quote_asset: 'THB',
    tick_size: '0.01',
    lot_size: '0.0001',
    min_quantity: '0.0001',
    max_quantity: '1000',
    min_notional: '1',
  })
  const whole = (change: object = {}) => ({
    ...rules(),
    price_band_bps: 1000,
    status: 'trading',
    maker_fee_bps: 10,
    taker_fee_bps: 20,
    partition: expect.any(Number),
    max_open_orders: 200,
    created_at: time,
    ...change,
  })

  it('are listed and made by operators', async () => {
    const { status, body } = await operator.get(`${path}?per_page=200`)
    const { items, pagination } = dataOf(body)
    expect({ status, body }).toEqual(success(wholePage(items, 200)))
    expect(items).toEqual(expect.arrayContaining([whole()]))
    const second = dataOf((await operator.get(`${path}?per_page=1&page=2`)).body)
    expect(second).toEqual({
      items: [items[1]],
      pagination: { page: 2, per_page: 1, total: pagination.total, total_pages: pagination.total },
    })
    expect(essence(await alice.get(path))).toEqual(refusal('FORBIDDEN', path))
    expect(essence(await alice.post(path, { body: rules() }))).toEqual(refusal('FORBIDDEN', path))
    expect(essence(await operator.post(path, { body: rules() }))).toEqual(refusal('CONFLICT', path))
  })

  test.each([
    [{ symbol: 'btcthb' }, 'symbol'],
    [{ base_asset: 'NOPE', symbol: 'NOPE-THB' }, 'base_asset'],
    [{ quote_asset: 'NOPE', symbol: 'BTC-NOPE' }, 'quote_asset'],
    [{ tick_size: '0' }, 'tick_size'],
    [{ lot_size: '0.000000001' }, 'lot_size'],
  ])('refuses %j', async (change, field) => {
    const body = { ...rules(), base_asset: 'BTC', symbol: 'BTC-THB', ...change }
    const { status, body: answer } = await operator.post(path, { body })
    expect({ status, code: answer.error?.code }).toEqual({ status: 400, code: 'INVALID_INPUT' })
    expect(Object.keys(answer.error.details)).toContain(field)
  })

  it('are changed, halted and resumed; who trades is told', async () => {
    const own = `${path}/${market.symbol}`
    expect(essence(await alice.put(own, { body: { maker_fee_bps: 0 } }))).toEqual(refusal('FORBIDDEN', own))
    const changed = await operator.put(own, { body: { min_notional: '2', maker_fee_bps: 5 } })
    expect(essence(changed)).toEqual(success(whole({ min_notional: '2', maker_fee_bps: 5 })))
    expect(essence(await alice.post(`${own}/halt`, { body: {} }))).toEqual(refusal('FORBIDDEN', `${own}/halt`))
    const halted = await operator.post(`${own}/halt`, { body: { reason: 'A drill' } })
    expect(essence(halted)).toEqual(success(whole({ min_notional: '2', maker_fee_bps: 5, status: expect.any(String) })))
    const statusOf = async (): Promise<string> => {
      const { items } = dataOf((await operator.get(path)).body)
      return items.find(({ symbol }: Body) => symbol === market.symbol).status
    }
    await waitFor(async () => (await statusOf()) === 'halted')
    await exchange.fund(alice, '1000 THB')
    const body = { symbol: market.symbol, side: 'buy', type: 'limit', price: '10', quantity: '1' }
    const placed = await alice.post('/v1/orders', { body, headers: { prefer: 'wait=5' } })
    expect(placed.body).toMatchObject({ data: { status: 'rejected', order: { reject_reason: 'market_halted' } } })
    await operator.post(`${own}/resume`, { body: {} })
    await waitFor(async () => (await statusOf()) === 'trading')
    const order = await alice.order('buy', market.symbol, '1', '10')
    expect(order.status).toBe('open')
    const fixed = await operator.put(own, { body: { tick_size: '0.1' } })
    expect(essence(fixed)).toEqual(refusal('CONFLICT', own, ['tick_size']))
    await alice.delete(`/v1/orders/${order.order_id}`)
    for (const verb of ['halt', 'resume']) {
      const unknown = `${path}/NO-PE/${verb}`
      expect(essence(await operator.post(unknown, { body: {} }))).toEqual(refusal('NOT_FOUND', unknown))
    }
  })

  it('show how far their engine has come', async () => {
    const own = `${path}/${market.symbol}/engine`
    expect(essence(await alice.get(own))).toEqual(refusal('FORBIDDEN', own))
    const number = expect.any(Number)
    expect(essence(await operator.get(own))).toEqual(
      success({
        symbol: market.symbol,
        partition: number,
        running: true,
        command_seq: number,
        result_number: number,
        book_seq: number,
        open_orders: 0,
        state_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      }),
    )
    const unknown = `${path}/NO-PE/engine`
    expect(essence(await operator.get(unknown))).toEqual(refusal('NOT_FOUND', unknown))
  })
})

describe('the audit log', () => {
  const path = '/v1/admin/audit'

  it('has every action, chained', async () => {
    const dave = await exchange.person('dave')
    const query = `${path}?actor_id=${dave.userId}&action=auth.login`
    await waitFor(async () => dataOf((await operator.get(query)).body).items.length > 0)
    const { items } = dataOf((await operator.get(query)).body)
    const hash = expect.stringMatching(/^[0-9a-f]{64}$/)
    expect(items[0]).toMatchObject({
      seq: expect.any(Number),
      event_id: uuid,
      service: 'auth',
      time,
      actor_kind: 'user',
      actor_id: dave.userId,
      action: 'auth.login',
      outcome: 'succeeded',
      address: expect.stringMatching(/127\.0\.0\.1|::1/),
      request_id: uuid,
      profile: 'demo',
      details: expect.any(Array),
      hash,
      previous_hash: hash,
    })
    expect(JSON.stringify(items)).not.toContain(dave.password)
  })

  it('is for auditors and operators', async () => {
    expect(essence(await alice.get(path))).toEqual(refusal('FORBIDDEN', path))
    expect(essence(await operator.get(`${path}?from=x`))).toEqual(refusal('INVALID_INPUT', path, ['from']))
  })
})

describe('mails', () => {
  const path = '/v1/admin/notifications/deliveries'
  it('are listed with what became of them', async () => {
    const query = `${path}?user_id=${alice.userId}`
    await waitFor(async () => dataOf((await operator.get(query)).body).items.length > 0, { timeoutMs: 30_000 })
    const [delivery] = dataOf((await operator.get(query)).body).items
    expect(delivery).toMatchObject({
      id: uuid,
      user_id: alice.userId,
      template: expect.stringMatching(/\S/),
      status: expect.stringMatching(/^(queued|sent|delivered)$/),
      attempts: expect.any(Number),
      created_at: time,
      updated_at: time,
    })
    expect(essence(await alice.get(path))).toEqual(refusal('FORBIDDEN', path))
  })
})

it('reports of the mail provider need its signature', async () => {
  const path = '/v1/webhooks/mailgun'
  const send = (body: unknown) => call(exchange.url, 'POST', path, { body })
  expect(essence(await send({ hello: 'there' }))).toEqual(refusal('INVALID_INPUT', path, ['signature']))
  const signature = { timestamp: String(Math.floor(Date.now() / 1000)), token: 'made-up', signature: '0'.repeat(64) }
  const forged = { signature, 'event-data': { event: 'delivered' } }
  expect(essence(await send(forged))).toEqual(refusal('FORBIDDEN', path))
})

describe('services', () => {
  test.each(['auth', 'user', 'ledger', 'order', 'matching', 'market-data', 'notification', 'audit'])(
    '%s tells its health and its dead letters',
    async (service) => {
      const health = `/v1/admin/services/${service}/health`
      const { status, body } = await operator.get(health)
      const dependency = { name: expect.any(String), ok: true }
      expect({ status, body }).toEqual(success({ service, ready: true, dependencies: expect.any(Array) }))
      for (const one of dataOf(body).dependencies) expect(one).toMatchObject(dependency)
      expect(essence(await alice.get(health))).toEqual(refusal('FORBIDDEN', health))
      const letters = `/v1/admin/services/${service}/dead-letters`
      expect(essence(await operator.get(letters))).toEqual(success(wholePage([])))
      expect(essence(await alice.get(letters))).toEqual(refusal('FORBIDDEN', letters))
    },
  )

  it('know no other service and no other letter', async () => {
    const other = '/v1/admin/services/kitchen/health'
    expect(essence(await operator.get(other))).toEqual(refusal('NOT_FOUND', other))
    const letter = `/v1/admin/services/order/dead-letters/${nobody}`
    expect(essence(await operator.delete(letter))).toEqual(refusal('NOT_FOUND', letter))
    expect(essence(await operator.post(`${letter}/replay`, { body: {} }))).toEqual(
      refusal('NOT_FOUND', `${letter}/replay`),
    )
  })
})
