import { randomUUID } from 'node:crypto'
import { Person } from '../person.ts'
import { expectNamed, expectRefusal } from './expected.ts'
import type { Json, RawAnswer, RawRequest } from './raw.ts'
import type { World } from './world.ts'

/** One request with a key, and how to see whether a repeat of it does something. */
type Story = {
  /** What is sent; `other` is sent with the same key, and is another request. */
  request: RawRequest
  other: RawRequest
  token: string
  status: number
  /** Changes things so that a second effect would show. */
  undo?: () => Promise<unknown>
  /** What the request has an effect on. */
  effect: () => Promise<Json>
}

/** Everything of an answer but the request's own id. */
const told = ({ status, body }: RawAnswer): Json => ({ status, data: body?.data, error: body?.error })

const post = (path: string, body: object = {}): RawRequest => ({ method: 'POST', path, body })
const nobody = '01890000-0000-7000-8000-000000000000'
const order = { symbol: 'BTC-THB', side: 'buy', type: 'limit', price: '1000', quantity: '0.01' }

/** By the operator. */
async function done(world: World, request: RawRequest): Promise<Json> {
  const answer = await world.as('operator', request)
  if (answer.status >= 300) throw new Error(`${request.path}: ${answer.text}`)
  return answer.body.data
}

/** Somebody whom only this story knows, and whether they may sign in. */
async function stranger(world: World): Promise<{ person: Person; disabled: () => Promise<boolean> }> {
  const person = await Person.register(world.url, `r${randomUUID().slice(0, 8)}`)
  const disabled = async () =>
    (await world.data('operator', `/v1/admin/users?query=${person.username}`)).items[0].disabled
  return { person, disabled }
}

async function disabling(world: World, verb: 'disable' | 'enable'): Promise<Story> {
  const { person, disabled } = await stranger(world)
  const path = (one: string) => `/v1/admin/users/${person.userId}/${one}`
  const opposite = verb === 'enable' ? 'disable' : 'enable'
  if (verb === 'enable') await done(world, post(path('disable')))
  return {
    request: post(path(verb), verb === 'disable' ? { reason: 'a' } : {}),
    other: verb === 'disable' ? post(path(verb), { reason: 'b' }) : post(`/v1/admin/users/${nobody}/enable`),
    token: world.token('operator'),
    status: 200,
    undo: () => done(world, post(path(opposite))),
    effect: disabled,
  }
}

const marketOf = async (world: World, symbol: string): Promise<Json> =>
  (await world.data('operator', '/v1/admin/markets?per_page=200')).items.find((one: Json) => one.symbol === symbol)

const status = (world: World, verb: 'halt' | 'resume'): Story => {
  const path = (one: string) => `/v1/admin/markets/ETH-THB/${one}`
  return {
    request: post(path(verb), { reason: 'a' }),
    other: post(path(verb), { reason: 'b' }),
    token: world.token('operator'),
    status: 200,
    undo: () => done(world, post(path(verb === 'halt' ? 'resume' : 'halt'))),
    effect: async () => (await marketOf(world, 'ETH-THB')).status,
  }
}

const letter = async (world: World, verb: 'replay' | 'drop'): Promise<Story> => {
  const [mine, other] = [await world.park(), await world.park()]
  const path = (id: string) => `/v1/admin/services/notification/dead-letters/${id}`
  const request = (id: string): RawRequest =>
    verb === 'replay' ? post(`${path(id)}/replay`) : { method: 'DELETE', path: path(id) }
  return {
    request: request(mine),
    other: request(other),
    token: world.token('operator'),
    status: 200,
    effect: async () => {
      const { items } = await world.data('operator', '/v1/admin/services/notification/dead-letters')
      return items.map(({ id }: Json) => id)
    },
  }
}

const transfer = (world: World, amount = '3') =>
  post('/v1/ledger/transactions', {
    account_id: world.accounts.alice.THB,
    type: 'transfer',
    amount,
    asset: 'THB',
    destination_account_username: world.people.bob.username,
  })

/**
 * What a repeat with the same Idempotency-Key does, for every POST and DELETE, by hand: `ignored` to sign in and out and for
 * those who are nobody, else a story. A route without a verdict fails.
 */
const verdicts: Readonly<Record<string, 'ignored' | ((world: World) => Promise<Story> | Story)>> = {
  'POST /v1/auth/register': 'ignored',
  'POST /v1/auth/login': 'ignored',
  'POST /v1/auth/mfa/verify': 'ignored',
  'POST /v1/auth/refresh': 'ignored',
  'POST /v1/auth/logout': 'ignored',
  'POST /v1/webhooks/mailgun': 'ignored',
  'POST /v1/users/me/change-password': async (world) => {
    const { person } = await stranger(world)
    const path = '/v1/users/me/change-password'
    const next = 'another good password of theirs'
    return {
      request: post(path, { current_password: person.password, new_password: next }),
      other: post(path, { current_password: next, new_password: person.password }),
      token: person.token,
      status: 200,
      effect: async () => {
        const answer = await world.send(post('/v1/auth/login', { identifier: person.username, password: next }))
        return answer.status
      },
    }
  },
  'POST /v1/admin/users/{user_id}/disable': (world) => disabling(world, 'disable'),
  'POST /v1/admin/users/{user_id}/enable': (world) => disabling(world, 'enable'),
  'POST /v1/admin/users/{user_id}/cancel-all': async (world) => {
    const place = () => world.people.bob.order('sell', 'BTC-THB', '0.01', '99000')
    const { bob } = world.people
    await place()
    return {
      request: post(`/v1/admin/users/${bob.userId}/cancel-all`),
      other: post(`/v1/admin/users/${nobody}/cancel-all`),
      token: world.token('operator'),
      status: 200,
      undo: place,
      effect: async () => (await world.data('bob', '/v1/orders?status=open')).pagination.total,
    }
  },
  'POST /v1/ledger/transactions': (world) => ({
    request: transfer(world),
    other: transfer(world, '4'),
    token: world.token('alice'),
    status: 201,
    effect: () => world.data('alice', `/v1/ledger/accounts/${world.accounts.alice.THB}`),
  }),
  'POST /v1/ledger/assets': (world) => {
    const asset = { symbol: 'AGAIN', name: 'Again', type: 'CRYPTO', decimals: 8 }
    return {
      request: post('/v1/ledger/assets', asset),
      other: post('/v1/ledger/assets', { ...asset, name: 'Other' }),
      token: world.token('operator'),
      status: 201,
      undo: () => done(world, { method: 'PUT', path: '/v1/ledger/assets/AGAIN', body: { name: 'Changed' } }),
      effect: () => world.data('operator', '/v1/ledger/assets/AGAIN'),
    }
  },
  'POST /v1/admin/ledger/transactions/{transaction_id}/reverse': async (world) => {
    const moved = await world.as('alice', transfer(world, '6'))
    const path = `/v1/admin/ledger/transactions/${moved.body.data.transaction_id}/reverse`
    return {
      request: post(path, { reason: 'a' }),
      other: post(path, { reason: 'b' }),
      token: world.token('operator'),
      status: 201,
      effect: () => world.data('alice', `/v1/ledger/accounts/${world.accounts.alice.THB}`),
    }
  },
  'POST /v1/orders': (world) => ({
    request: post('/v1/orders', order),
    other: post('/v1/orders', { ...order, price: '1001' }),
    token: world.token('alice'),
    status: 201,
    effect: async () => (await world.data('alice', '/v1/orders')).pagination.total,
  }),
  'DELETE /v1/orders/{order_id}': async (world) => {
    const { order_id } = await world.people.alice.order('buy', 'BTC-THB', '0.01', '1002')
    const path = `/v1/orders/${order_id}`
    return {
      request: { method: 'DELETE', path, body: { reason: 'a' } },
      other: { method: 'DELETE', path, body: { reason: 'b' } },
      token: world.token('alice'),
      status: 200,
      effect: () => world.data('alice', path),
    }
  },
  'POST /v1/admin/markets': async (world) => {
    await done(world, post('/v1/ledger/assets', { symbol: 'TWICE', name: 'Twice', type: 'CRYPTO', decimals: 8 }))
    const market = {
      symbol: 'TWICE-THB',
      base_asset: 'TWICE',
      quote_asset: 'THB',
      tick_size: '0.01',
      lot_size: '0.0001',
      min_quantity: '0.0001',
      max_quantity: '1000',
      min_notional: '1',
    }
    const path = '/v1/admin/markets'
    return {
      request: post(path, market),
      other: post(path, { ...market, min_notional: '2' }),
      token: world.token('operator'),
      status: 201,
      undo: () => done(world, { method: 'PUT', path: `${path}/TWICE-THB`, body: { min_notional: '7' } }),
      effect: () => marketOf(world, 'TWICE-THB'),
    }
  },
  'POST /v1/admin/markets/{symbol}/halt': (world) => status(world, 'halt'),
  // Last of the two: it leaves the market as it found it only if `undo` comes before the end.
  'POST /v1/admin/markets/{symbol}/resume': (world) => status(world, 'resume'),
  'POST /v1/admin/services/{service}/dead-letters/{dead_letter_id}/replay': (world) => letter(world, 'replay'),
  'DELETE /v1/admin/services/{service}/dead-letters/{dead_letter_id}': (world) => letter(world, 'drop'),
}

/** The Idempotency-Key on every route that takes one. */
export function repeatSuite(at: () => World): void {
  const operations = async (): Promise<Record<string, Json>> => {
    const { body: document } = await at().send({ path: '/openapi.json' })
    return Object.fromEntries(
      Object.entries<Json>(document.paths).flatMap(([path, item]) =>
        Object.entries<Json>(item).map(([verb, one]) => [`${verb.toUpperCase()} ${path}`, one]),
      ),
    )
  }
  const takesKey = (one: Json): boolean => one.parameters?.some(({ name }: Json) => name === 'Idempotency-Key') ?? false

  it('every POST and DELETE has a verdict, and the document says which take a key', async () => {
    const all = await operations()
    const changing = Object.keys(all).filter((name) => /^(POST|DELETE) /.test(name))
    expect(changing.sort()).toEqual(Object.keys(verdicts).sort())
    for (const [name, one] of Object.entries(all)) {
      const verdict = verdicts[name] ?? 'ignored'
      expect([name, takesKey(one)]).toEqual([name, verdict !== 'ignored'])
    }
  })

  const stories = Object.entries(verdicts).flatMap(([name, verdict]) =>
    verdict === 'ignored' ? [] : [[name, verdict] as const],
  )

  it.each(stories)('%s: a repeat gets the first answer and does nothing; another request is 409', async (_, story) => {
    const { request, other, token, status, undo, effect } = await story(at())
    const key = randomUUID()
    const sendIt = (one: RawRequest, as: string = key) => at().send({ ...one, token, key: as })
    for (const bad of ['a b', 'x'.repeat(65), 'é']) expectNamed(await sendIt(request, bad), 400, 'Idempotency-Key')
    const first = await sendIt(request)
    expect(told(first)).toMatchObject({ status })
    await undo?.()
    const before = await effect()
    for (const _ of ['once', 'twice']) expect(told(await sendIt(request))).toEqual(told(first))
    expectRefusal(await sendIt(other), { status: 409 })
    expect(await effect()).toEqual(before)
  })

  it('PUT and PATCH say the whole outcome themselves, and take no key', async () => {
    const world = at()
    const key = 'x'.repeat(100)
    const patch: RawRequest = { method: 'PATCH', path: '/v1/users/me', body: { full_name: 'Alice' }, key }
    expect((await world.as('alice', patch)).status).toBe(200)
    const put: RawRequest = { method: 'PUT', path: '/v1/admin/markets/ETH-THB', body: { status: 'trading' }, key }
    expect((await world.as('operator', put)).status).toBe(200)
    await world.remember()
  })
}
