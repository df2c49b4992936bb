import { allItems, BitkaApiError, createBitkaClient, everyItem, memoryTokens } from '../src/index.ts'
import { fakeFetch, ok, pairOf, type Reply, refused, type Sent } from './fake-api.ts'

const baseUrl = 'http://exchange.test/'
const retry = { baseMs: 1, capMs: 2 }
const order = { symbol: 'BTC-THB', side: 'buy', type: 'limit', price: '1', quantity: '1' } as const

/** A client whose server gives these answers in turn, then the last one again. */
function clientOf(...replies: (Reply | Error)[]) {
  const last = replies.at(-1) as Reply
  const { fetch, sent } = fakeFetch(() => replies.shift() ?? last)
  return { client: createBitkaClient({ baseUrl, fetch, retry }), sent }
}

const keysOf = (sent: Sent[]) => sent.map(({ headers }) => headers['idempotency-key'])

it('reads a list that is paged by number to its end', async () => {
  const page = (items: number[], number: number) =>
    ok({ items, pagination: { page: number, per_page: 200, total: 3, total_pages: 2 } })
  const { client, sent } = clientOf(page([1, 2], 1), page([3], 2))
  expect(await allItems(client.ledger.accounts, { asset: 'THB' })).toEqual([1, 2, 3])
  expect(sent.map(({ path }) => path)).toEqual([
    '/v1/ledger/accounts?asset=THB&page=1&per_page=200',
    '/v1/ledger/accounts?asset=THB&page=2&per_page=200',
  ])
})

describe('retries', () => {
  it('keep the Idempotency-Key and the request id of their call', async () => {
    const { client, sent } = clientOf(new TypeError('lost'), refused(503, 'UNAVAILABLE'), ok({ order_id: 'o' }, 201))
    expect(await client.orders.create(order)).toEqual({ order_id: 'o' })
    await client.orders.create(order)
    const keys = keysOf(sent)
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/)
    expect(keys.slice(0, 3)).toEqual([keys[0], keys[0], keys[0]])
    expect(keys[3]).not.toBe(keys[0])
    expect(new Set(sent.slice(0, 3).map(({ headers }) => headers['x-request-id'])).size).toBe(1)
    expect(sent[0]).toMatchObject({ method: 'POST', path: '/v1/orders', body: order })
  })

  it('use the key that the caller names', async () => {
    const { client, sent } = clientOf(ok({}))
    await client.orders.cancel('a/b', { reason: 'x' }, { idempotencyKey: 'mine' })
    expect(sent[0]).toMatchObject({ method: 'DELETE', path: '/v1/orders/a%2Fb', body: { reason: 'x' } })
    expect(keysOf(sent)).toEqual(['mine'])
  })

  test.each([
    ['register after a lost answer', new TypeError('lost'), 1],
    ['register after 503', refused(503, 'UNAVAILABLE'), 1],
    ['register after 429: it never began', refused(429, 'RATE_LIMITED'), 5],
  ])('%s', async (_name, reply, tries) => {
    const { client, sent } = clientOf(reply, reply, reply, reply, reply)
    const attempt = client.auth.register({ username: 'alice', email: 'alice@example.com', password: 'p' })
    await expect(attempt).rejects.toBeInstanceOf(BitkaApiError)
    expect(sent).toHaveLength(tries)
  })

  it('never follow a decided refusal', async () => {
    const { client, sent } = clientOf(refused(409, 'CONFLICT'))
    await expect(client.orders.create(order)).rejects.toMatchObject({ code: 'CONFLICT', status: 409 })
    expect(sent).toHaveLength(1)
  })

  it('wait as long as the server asks', async () => {
    const { client } = clientOf(refused(429, 'RATE_LIMITED', { 'retry-after': '1' }), ok([]))
    const startedMs = performance.now()
    await client.ledger.assets()
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(990)
  })

  it('do not begin when the deadline would pass first', async () => {
    const { client, sent } = clientOf(refused(503, 'UNAVAILABLE', { 'retry-after': '60' }))
    await expect(client.ledger.assets()).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 60_000 })
    expect(sent).toHaveLength(1)
  })

  it('end when the budget is spent', async () => {
    const { fetch, sent } = fakeFetch(() => refused(503, 'UNAVAILABLE'))
    const client = createBitkaClient({ baseUrl, fetch, retry: { ...retry, budget: 3 } })
    for (let call = 0; call < 5; call += 1) await client.ledger.assets().catch(() => {})
    expect(sent).toHaveLength(5 + 3)
  })

  it('follow a try that takes too long', async () => {
    let calls = 0
    const client = createBitkaClient({
      baseUrl,
      retry,
      attemptTimeoutMs: 20,
      fetch: (_url, { signal }) => {
        calls += 1
        if (calls > 1) return Promise.resolve(Response.json({ success: true, data: [], meta: {} }))
        return new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
      },
    })
    expect(await client.ledger.assets()).toEqual([])
    expect(calls).toBe(2)
  })

  it('end with the caller’s signal', async () => {
    const { client } = clientOf(refused(503, 'UNAVAILABLE', { 'retry-after': '20' }))
    const controller = new AbortController()
    const call = client.ledger.assets({}, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(call).rejects.toThrow('enough')
  })
})

describe('errors', () => {
  it('carry the whole refusal', async () => {
    const body = {
      success: false,
      error: { code: 'INVALID_INPUT', message: 'No.', instance: '/v1/orders', details: { price: 'is missing' } },
      meta: { request_id: 'r-9' },
    }
    const { client } = clientOf({ status: 400, body })
    await expect(client.orders.create(order)).rejects.toMatchObject({
      name: 'BitkaApiError',
      code: 'INVALID_INPUT',
      status: 400,
      message: 'No.',
      details: { price: 'is missing' },
      requestId: 'r-9',
    })
  })

  it('tell an answer that is not ours', async () => {
    const { client } = clientOf({ status: 404, headers: { 'x-request-id': 'r-2' } })
    await expect(client.users.me()).rejects.toMatchObject({
      code: 'UNEXPECTED_ANSWER',
      status: 404,
      requestId: 'r-2',
    })
  })

  it('tell that no answer came', async () => {
    const { client } = clientOf(...Array.from({ length: 5 }, () => new TypeError('refused')))
    await expect(client.users.me()).rejects.toMatchObject({ code: 'CONNECTION_FAILED', status: 0 })
  })
})

/** A server that takes tokens of generation `current` and gives the next pair for each refresh. */
function tokenServer() {
  const state = { current: 1, refreshes: 0, logins: 0, sessionOver: false }
  const { fetch, sent } = fakeFetch(async ({ path, headers, body }) => {
    if (path === '/v1/auth/refresh') {
      state.refreshes += 1
      await new Promise((resolve) => setImmediate(resolve))
      const { refresh_token } = body as { refresh_token: string }
      if (state.sessionOver || refresh_token !== `refresh-${state.current}`) return refused(401, 'UNAUTHORIZED')
      state.current += 1
      return ok(pairOf(state.current))
    }
    if (path === '/v1/auth/login') {
      state.logins += 1
      state.sessionOver = false
      state.current += 1
      return ok(pairOf(state.current))
    }
    const good = headers.authorization === `Bearer ${pairOf(state.current).access_token}`
    return good ? ok({ id: 'alice' }) : refused(401, 'UNAUTHORIZED')
  })
  return { state, fetch, sent }
}

describe('the session', () => {
  it('is renewed once for many calls whose token is old', async () => {
    const { state, fetch } = tokenServer()
    const tokens = memoryTokens(pairOf(1, -1))
    const client = createBitkaClient({ baseUrl, fetch, retry, tokens })
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.users.me()))
    expect(answers).toEqual(Array.from({ length: 8 }, () => ({ id: 'alice' })))
    expect(state.refreshes).toBe(1)
    expect(tokens.load()).toEqual(pairOf(2))
  })

  it('is renewed once when the server refuses a token that looked good, and the call keeps its key', async () => {
    const { state, fetch, sent } = tokenServer()
    state.current = 1
    const stale = { ...pairOf(99), refresh_token: 'refresh-1' }
    const client = createBitkaClient({ baseUrl, fetch, retry, tokens: memoryTokens(stale) })
    await Promise.all(Array.from({ length: 4 }, () => client.orders.create(order)))
    expect(state.refreshes).toBe(1)
    const keys = keysOf(sent.filter(({ path }) => path === '/v1/orders'))
    expect(new Set(keys).size).toBe(4)
  })

  it('takes over what somebody else has renewed', async () => {
    const { state, fetch } = tokenServer()
    const tokens = memoryTokens(pairOf(1, -1))
    const client = createBitkaClient({ baseUrl, fetch, retry, tokens })
    const other = createBitkaClient({ baseUrl, fetch, retry, tokens })
    await client.users.me()
    await other.users.me()
    expect(state.refreshes).toBe(1)
  })

  it('begins anew with the credentials when it is over', async () => {
    const { state, fetch } = tokenServer()
    state.sessionOver = true
    const credentials = { identifier: 'alice', password: 'a long password' }
    const client = createBitkaClient({ baseUrl, fetch, retry, tokens: memoryTokens(pairOf(1, -1)), credentials })
    expect(await client.users.me()).toEqual({ id: 'alice' })
    expect(state).toMatchObject({ refreshes: 1, logins: 1 })
  })

  it('is forgotten when it is over and there are no credentials', async () => {
    const { state, fetch } = tokenServer()
    state.sessionOver = true
    const tokens = memoryTokens(pairOf(1, -1))
    const client = createBitkaClient({ baseUrl, fetch, retry, tokens })
    await expect(client.users.me()).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    expect(tokens.load()).toBeUndefined()
  })

  it('begins with login and ends with logout', async () => {
    const { fetch, sent } = fakeFetch(({ path }) => ok(path === '/v1/auth/login' ? pairOf(1) : null))
    const tokens = memoryTokens()
    const client = createBitkaClient({ baseUrl, fetch, retry, tokens })
    await client.auth.login({ identifier: 'alice', password: 'p' })
    expect(tokens.load()).toEqual(pairOf(1))
    await client.auth.logout()
    expect(tokens.load()).toBeUndefined()
    expect(sent.map(({ path, headers }) => [path, headers.authorization !== undefined])).toEqual([
      ['/v1/auth/login', false],
      ['/v1/auth/logout', true],
    ])
  })
})

it('walks a list by its cursor', async () => {
  const { client, sent } = clientOf(
    ok({ items: [{ order_id: '1' }, { order_id: '2' }], pagination: { per_page: 2, next_cursor: 'c' } }),
    ok({ items: [{ order_id: '3' }], pagination: { per_page: 2 } }),
  )
  const found: string[] = []
  for await (const { order_id } of everyItem(client.orders.list, { symbol: 'BTC-THB' })) found.push(order_id)
  expect(found).toEqual(['1', '2', '3'])
  expect(sent.map(({ path }) => path)).toEqual(['/v1/orders?symbol=BTC-THB', '/v1/orders?symbol=BTC-THB&cursor=c'])
})

it('asks for the order of the engine with Prefer', async () => {
  const { client, sent } = clientOf(ok({}))
  await client.orders.create(order, { waitSeconds: 5 })
  expect(sent[0]?.headers.prefer).toBe('wait=5')
})

it('takes readiness also when it is no', async () => {
  const body = { status: 'unavailable', dependencies: [{ name: 'order', ok: false, detail: 'does not answer' }] }
  const { client } = clientOf({ status: 503, body })
  expect(await client.health.ready()).toEqual(body)
})
