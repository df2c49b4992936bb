import { expectCommon } from './expected.ts'
import { type Json, type RawAnswer, send } from './raw.ts'
import { differences } from './schema.ts'
import type { Name, World } from './world.ts'

/** Where the contract says "or null"; `data` is null where there is nothing to say. */
const NULLABLE = new Set(['data', 'price', 'client_order_id', 'description', 'related_tx_id'])
const TIMES = /(_at|_time|^time|^timestamp)$/
const AMOUNTS =
  /^(price|quantity|filled_quantity|remaining_quantity|quote_amount|fee|amount|balance_after|available|locked|open|high|low|close|volume|tick_size|lot_size|min_quantity|max_quantity|min_notional|volume_30d)$/
const INTEGERS = /^(seq|epoch_ms|page|per_page|total|total_pages|decimals|[a-z_]+_bps|partition|max_open_orders)$/

/** What breaks the rules of how values are written, by path. */
function oddities(value: Json, path: string): string[] {
  const key =
    path
      .split('.')
      .at(-1)
      ?.replace(/\[\d+\]$/, '') ?? ''
  if (value === null) return NULLABLE.has(key) ? [] : [`${path} is null`]
  if (value === '') return key === 'detail' ? [] : [`${path} is empty`]
  if (Array.isArray(value)) return value.flatMap((item, index) => oddities(item, `${path}[${index}]`))
  if (typeof value === 'object') {
    const free = key === 'metadata' || key === 'details' ? [] : Object.entries(value)
    return free.flatMap(([name, item]) => [
      ...(/^[a-z][a-z0-9_]*$/.test(name) ? [] : [`${path}.${name} is not snake_case`]),
      ...oddities(item, `${path}.${name}`),
    ])
  }
  if (TIMES.test(key) && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(String(value))) return [`${path} is no time`]
  if (AMOUNTS.test(key) && !/^-?\d+(\.\d+)?$/.test(typeof value === 'string' ? value : '?'))
    return [`${path} is no amount`]
  if (INTEGERS.test(key) && !Number.isSafeInteger(value)) return [`${path} is no integer`]
  return []
}

const symbol = 'BTC-THB'

/** What rest-api.md says of all answers, asked of a running exchange that people have used. */
export function contractSuite(at: () => World): void {
  beforeAll(async () => {
    // Five trades, each of its own taker, so that lists have several pages.
    const { alice, bob } = at().people
    for (let index = 0; index < 5; index += 1) {
      await bob.order('sell', symbol, '0.01', '2000')
      await alice.order('buy', symbol, '0.01', '2000')
    }
  })

  const reads = async (): Promise<(readonly [Name, string])[]> => {
    const [order] = (await at().data('alice', '/v1/orders')).items
    const [transaction] = (await at().data('alice', '/v1/ledger/transactions')).items
    return [
      ['alice', '/v1/users/me'],
      ['alice', '/v1/ledger/accounts'],
      ['alice', `/v1/ledger/accounts/${at().accounts.alice.THB}`],
      ['alice', '/v1/ledger/transactions?per_page=200'],
      ['alice', `/v1/ledger/transactions/${transaction.id}`],
      ['alice', '/v1/ledger/assets'],
      ['alice', '/v1/ledger/assets/BTC'],
      ['alice', '/v1/orders?per_page=200'],
      ['alice', `/v1/orders/${order.order_id}`],
      ['alice', '/v1/fills'],
      ['alice', '/v1/fees'],
      ['alice', '/v1/time'],
      ['alice', '/v1/marketdata/symbols'],
      ['alice', `/v1/marketdata/ticks?symbol=${symbol}`],
      ['alice', `/v1/marketdata/candles?symbol=${symbol}&interval=1m`],
      ['alice', `/v1/marketdata/orderbook/${symbol}`],
      ['alice', `/v1/marketdata/orderbook/${symbol}/history`],
      ['operator', '/v1/admin/users'],
      ['operator', '/v1/admin/markets'],
      ['operator', '/v1/admin/audit?per_page=200'],
      ['operator', '/v1/admin/notifications/deliveries'],
      ['operator', '/v1/admin/services/ledger/health'],
      ['operator', '/v1/admin/services/ledger/dead-letters'],
      ['operator', `/v1/admin/markets/${symbol}/engine`],
    ]
  }

  it('every success is in the envelope, its values written by the rules', async () => {
    for (const [name, path] of await reads()) {
      const answer = await at().as(name, { path })
      expect([path, answer.status, Object.keys(answer.body)]).toEqual([path, 200, ['success', 'data', 'meta']])
      expect(answer.body.meta).toEqual({ request_id: answer.headers['x-request-id'] })
      expectCommon(answer)
      expect([path, oddities(answer.body.data, 'data')]).toEqual([path, []])
    }
  })

  it('openapi.json describes what is answered', async () => {
    const { body: document } = await at().send({ path: '/openapi.json' })
    const templates = Object.keys(document.paths).sort((a, b) => a.split('{').length - b.split('{').length)
    for (const [name, path] of await reads()) {
      const [asked = ''] = path.split('?')
      const template =
        templates.find((one) => new RegExp(`^${one.replace(/\{[a-z_]+\}/g, '[^/]+')}$`).test(asked)) ?? ''
      const { schema } = document.paths[template].get.responses['200'].content['application/json']
      const { body } = await at().as(name, { path })
      expect([path, differences(document, schema, body, 'body')]).toEqual([path, []])
    }
  })

  it('a list is items and pagination, 25 a page, 50 symbols; assets are a plain array', async () => {
    const sizes: Readonly<Record<string, number>> = {
      '/v1/ledger/accounts': 25,
      '/v1/ledger/transactions': 25,
      '/v1/orders': 25,
      '/v1/fills': 25,
      '/v1/marketdata/symbols': 50,
      [`/v1/marketdata/ticks?symbol=${symbol}`]: 500,
      [`/v1/marketdata/candles?symbol=${symbol}&interval=1m`]: 100,
      '/v1/admin/users': 25,
      '/v1/admin/audit': 25,
      '/v1/admin/notifications/deliveries': 25,
      '/v1/fees': 25,
      '/v1/admin/markets': 25,
      '/v1/admin/services/ledger/dead-letters': 25,
    }
    for (const [path, per_page] of Object.entries(sizes)) {
      const { items, pagination } = await at().data('operator', path)
      const { next_cursor: _, ...counted } = pagination
      const total = expect.any(Number)
      expect([path, counted]).toEqual([
        path,
        { page: 1, per_page, total, total_pages: Math.ceil(pagination.total / per_page) },
      ])
      expect(items.length).toBe(Math.min(pagination.total, per_page))
    }
    expect(Array.isArray(await at().data('alice', '/v1/ledger/assets'))).toBe(true)
  })

  it.each([
    ['alice', '/v1/orders?per_page=2', 'order_id'],
    ['alice', '/v1/fills?per_page=2', 'fill_id'],
    ['alice', '/v1/ledger/transactions?per_page=3', 'id'],
    ['alice', `/v1/marketdata/ticks?symbol=${symbol}&limit=2`, 'trade_id'],
    ['operator', '/v1/admin/audit?per_page=9', 'event_id'],
  ] as const)('%s walks %s to its end by cursor', async (name, path, id) => {
    const first = await at().data(name, path)
    const seen: string[] = first.items.map((item: Json) => item[id])
    let cursor: string | undefined = first.pagination.next_cursor
    expect(cursor).toEqual(expect.any(String))
    while (cursor !== undefined) {
      const { items, pagination } = await at().data(name, `${path}&cursor=${encodeURIComponent(cursor)}`)
      const { next_cursor, ...rest } = pagination
      expect(rest).toEqual({ per_page: first.pagination.per_page })
      expect(items.length).toBeGreaterThan(0)
      seen.push(...items.map((item: Json) => item[id]))
      cursor = next_cursor
    }
    expect(new Set(seen).size).toBe(seen.length)
    if (name === 'alice') expect(seen.length).toBe(first.pagination.total)
  })

  it('lists that do not grow have no cursor', async () => {
    for (const path of [
      '/v1/ledger/accounts?per_page=1',
      '/v1/marketdata/symbols?per_page=1',
      '/v1/admin/users?per_page=1',
      '/v1/fees?per_page=1',
      '/v1/admin/markets?per_page=1',
    ]) {
      const { pagination } = await at().data('operator', path)
      expect([path, pagination.total > 1, pagination.next_cursor]).toEqual([path, true, undefined])
    }
  })

  it('the key set has no envelope, two addresses, and may be kept', async () => {
    const [one, other] = await Promise.all(
      ['/.well-known/jwks.json', '/v1/.well-known/jwks.json'].map((path) => at().send({ path })),
    )
    expect(Object.keys(one!.body)).toEqual(['keys'])
    expect(other!.body).toEqual(one!.body)
    for (const key of one!.body.keys) expect(Object.keys(key).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use'])
    for (const { headers } of [one!, other!]) expect(headers['cache-control']).toBe('public,max-age=300')
  })

  it('only closed candles may be kept, and nothing else of a user', async () => {
    const control = async (path: string): Promise<unknown> =>
      (await at().as('alice', { path })).headers['cache-control']
    const candles = `/v1/marketdata/candles?symbol=${symbol}&interval=1m`
    expect(await control(candles)).toBe('no-store')
    expect(await control(`${candles}&end=2020-01-01T00:00:00Z`)).toBe('no-store')
    for (const path of ['/v1/orders', '/v1/users/me', '/v1/ledger/accounts', '/healthz', '/v1/nope']) {
      expect([path, await control(path)]).toEqual([path, 'no-store'])
    }
  })

  it('pages of listed origins may call, others may not', async () => {
    const port = await at().gateway({ BITKA_CORS_ORIGINS: 'https://app.example' })
    const ask = (origin: string, method = 'GET'): Promise<RawAnswer> => {
      const preflight = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' }
      return send(port, { path: '/v1/orders', method, headers: { origin, ...(method === 'OPTIONS' && preflight) } })
    }
    const allowed = await ask('https://app.example')
    expect(allowed.headers).toMatchObject({ 'access-control-allow-origin': 'https://app.example', vary: 'Origin' })
    expect(allowed.headers['access-control-expose-headers']).toContain('x-request-id')
    expect(allowed.headers['access-control-allow-credentials']).toBeUndefined()
    const preflight = await ask('https://app.example', 'OPTIONS')
    expect(preflight.status).toBe(204)
    expect(preflight.headers['access-control-allow-methods']).toBe('GET, HEAD, OPTIONS, POST')
    expect(preflight.headers['access-control-allow-headers']).toContain('idempotency-key')
    for (const origin of ['https://evil.test', 'https://app.example.evil.test', 'http://app.example', 'null', '*']) {
      for (const method of ['GET', 'OPTIONS']) {
        const answer = await ask(origin, method)
        const names = Object.keys(answer.headers).filter((header) => header.startsWith('access-control'))
        expect([origin, names]).toEqual([origin, []])
      }
    }
    const none = await at().send({ path: '/v1/time', headers: { origin: 'https://app.example' } })
    expect(none.headers['access-control-allow-origin']).toBeUndefined()
  })

  it('/docs works under its policy: no script or style inside the page, and each of its files is served', async () => {
    const page = await at().send({ path: '/docs' })
    const policy = String(page.headers['content-security-policy'])
    expect(policy).toMatch(/default-src 'none'; script-src 'self'; style-src 'self'/)
    expect(policy).not.toMatch(/unsafe|\*/)
    expect(page.text).not.toMatch(/<style|<script>|<script [^>]*>[^<]|\son[a-z]+=|javascript:|\sstyle=/)
    const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file ?? '')
    expect(files.length).toBeGreaterThan(3)
    const types = { css: 'text/css', js: 'text/javascript', png: 'image/png' }
    for (const file of files) {
      const answer = await at().send({ path: file })
      expect([file, answer.status]).toEqual([file, 200])
      expect(answer.headers['content-type']).toContain(types[file.split('.').at(-1) as 'css'])
    }
  })

  it('production says nothing of a demo', async () => {
    const port = await at().gateway({ BITKA_PROFILE: 'production', BITKA_RATE_LIMIT_SCALE: '1' })
    for (const path of ['/healthz', '/v1/time', '/v1/nope']) {
      expect((await send(port, { path })).headers['x-bitka-profile']).toBeUndefined()
    }
  })
}
