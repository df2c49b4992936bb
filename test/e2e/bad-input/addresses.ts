import { expectCommon, expectRefusal } from './expected.ts'
import type { Json, RawAnswer } from './raw.ts'
import type { Name, World } from './world.ts'

const uuid = '01890000-0000-7000-8000-000000000000'

/** What stands where an id or a symbol belongs, as it goes over the wire. All of it names nothing. */
const malformed: readonly string[] = [
  uuid,
  uuid.toUpperCase(),
  `${uuid}x`,
  `%7B${uuid}%7D`,
  'x',
  '0',
  '-1',
  'null',
  '..',
  '.',
  '%2e%2e',
  '..%2f..%2fetc%2fpasswd',
  '..%5c..',
  '%252e%252e%252f',
  '%00',
  'a%00b',
  '%0d%0aSet-Cookie:%20x=1',
  '%ff',
  '%c0%ae',
  '%ed%a0%80',
  '%',
  '%zz',
  '%E2%80%AE',
  '%27%20or%201=1%20--',
  '*',
  '{id}',
  '$%7Bjndi:ldap:x%7D',
  'x'.repeat(4_000),
  'BTC%2FTHB',
  '__proto__',
  'constructor',
]

/** Every route with something in its path that a caller chooses, and who may use it. */
const routes: readonly (readonly [Name, string, (id: string) => string])[] = [
  ['alice', 'GET', (id) => `/v1/orders/${id}`],
  ['alice', 'DELETE', (id) => `/v1/orders/${id}`],
  ['alice', 'GET', (id) => `/v1/ledger/accounts/${id}`],
  ['alice', 'GET', (id) => `/v1/ledger/transactions/${id}`],
  ['alice', 'GET', (id) => `/v1/ledger/assets/${id}`],
  ['alice', 'GET', (id) => `/v1/users/${id}`],
  ['alice', 'PATCH', (id) => `/v1/users/${id}`],
  ['alice', 'GET', (id) => `/v1/marketdata/orderbook/${id}`],
  ['alice', 'GET', (id) => `/v1/marketdata/orderbook/${id}/history`],
  ['operator', 'GET', (id) => `/v1/orders/${id}`],
  ['operator', 'GET', (id) => `/v1/ledger/accounts/${id}`],
  ['operator', 'GET', (id) => `/v1/users/${id}`],
  ['operator', 'PUT', (id) => `/v1/admin/users/${id}/roles`],
  ['operator', 'POST', (id) => `/v1/admin/users/${id}/disable`],
  ['operator', 'POST', (id) => `/v1/admin/users/${id}/enable`],
  ['operator', 'PUT', (id) => `/v1/ledger/assets/${id}`],
  ['operator', 'POST', (id) => `/v1/admin/ledger/transactions/${id}/reverse`],
  ['operator', 'PUT', (id) => `/v1/admin/markets/${id}`],
  ['operator', 'POST', (id) => `/v1/admin/markets/${id}/halt`],
  ['operator', 'POST', (id) => `/v1/admin/markets/${id}/resume`],
  ['operator', 'GET', (id) => `/v1/admin/markets/${id}/engine`],
  ['operator', 'GET', (id) => `/v1/admin/services/${id}/health`],
  ['operator', 'GET', (id) => `/v1/admin/services/${id}/dead-letters`],
  ['operator', 'POST', (id) => `/v1/admin/services/${id}/dead-letters/${uuid}/replay`],
  ['operator', 'POST', (id) => `/v1/admin/services/ledger/dead-letters/${id}/replay`],
  ['operator', 'DELETE', (id) => `/v1/admin/services/ledger/dead-letters/${id}`],
]

/** Addresses that look like ours. */
const strange: readonly string[] = [
  '/v1//orders',
  '//v1/orders',
  '/v1/orders/',
  '/v1/orders//',
  '/v1/./orders',
  '/v1/../v1/orders',
  '/v1/%6frders',
  '/v1/orders%2f',
  '/v1/orders%00',
  '/v1/orders;a=b',
  '/V1/orders',
  '/v1/orders/%2e%2e/orders',
  '/v1/marketdata/orderbook/',
  '/openapi.json/',
  '/healthz/',
  '/docs/../../../../etc/passwd',
  '/docs/..%2f..%2fpackage.json',
  '/docs/%2e%2e/%2e%2e/package.json',
  '/docs/package.json',
  '/docs/__proto__',
  '/docs/constructor',
  '/docs//swagger-ui.css',
  '/metrics',
  '/.env',
  '/.git/config',
  '/bitka.ledger.v1.LedgerPostingService/Hold',
  '/bitka.auth.v1.DirectoryService/GetUsers',
  '/grpc.health.v1.Health/Check',
  '/bitka.order.v1.OrderService/Nothing',
]

const verbs = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND'] as const

/** Where a request goes: ids, paths and verbs. */
export function addressSuite(at: () => World): void {
  it.each(routes.map(([name, verb, path]) => [name, verb, path('{}'), path] as const))(
    '%s: %s %s is 404 for what names nothing',
    async (name, method, _, path) => {
      const body =
        method === 'GET' || method === 'DELETE'
          ? undefined
          : method === 'PUT' && path('').includes('roles')
            ? { roles: ['user'] }
            : {}
      await Promise.all(
        malformed.map(async (id) =>
          expectRefusal(await at().as(name, { method, path: path(id), body }), { status: 404 }),
        ),
      )
    },
  )

  it('a malformed user has no orders to cancel: 404; one that nobody is has none: 0', async () => {
    const cancelAll = (id: string) =>
      at().as('operator', { method: 'POST', path: `/v1/admin/users/${id}/cancel-all`, body: {} })
    const others = malformed.filter((id) => id.toLowerCase() !== uuid)
    await Promise.all(others.map(async (id) => expectRefusal(await cancelAll(id), { status: 404 })))
    for (const id of [uuid, uuid.toUpperCase()]) {
      expect((await cancelAll(id)).body.data).toEqual({ cancel_requested: 0 })
    }
  })

  it('what is somebody else’s looks like what is not there', async () => {
    const world = at()
    const { bob } = world.people
    const [transaction] = (await world.data('bob', '/v1/ledger/transactions')).items
    const foreign: readonly (readonly [string, string])[] = [
      ['GET', `/v1/orders/${world.orders.bob}`],
      ['DELETE', `/v1/orders/${world.orders.bob}`],
      ['GET', `/v1/ledger/accounts/${world.accounts.bob.THB}`],
      ['GET', `/v1/ledger/transactions/${transaction.id}`],
      ['GET', `/v1/users/${bob.userId}`],
      ['PATCH', `/v1/users/${bob.userId}`],
    ]
    const told = async (method: string, path: string): Promise<Json> => {
      const body = method === 'PATCH' ? { full_name: 'Mallory' } : undefined
      const answer = await world.as('alice', { method, path, body })
      expectRefusal(answer, { status: 404 })
      return { ...answer.body.error, instance: '' }
    }
    for (const [method, path] of foreign) {
      const nowhere = path.replace(/[^/]+$/, uuid)
      expect(await told(method, path)).toEqual(await told(method, nowhere))
    }
    for (const list of ['/v1/orders', '/v1/ledger/accounts', '/v1/ledger/transactions']) {
      expectRefusal(await world.as('alice', { path: `${list}?user_id=${bob.userId}` }), { status: 403 })
    }
  })

  it('what is for operators is 403 for everybody else, before anything is looked up', async () => {
    const world = at()
    const forOperators = routes.filter(([, , path]) => path('').startsWith('/v1/admin'))
    await Promise.all(
      forOperators.map(async ([, method, path]) => {
        const id = world.people.bob.userId
        const body =
          method === 'GET' || method === 'DELETE' ? undefined : path('').includes('roles') ? { roles: ['user'] } : {}
        const place = path(path('').includes('services//') ? 'ledger' : id)
        expectRefusal(await world.as('alice', { method, path: place, body }), { status: 403 })
      }),
    )
    for (const path of [
      '/v1/admin/users',
      '/v1/admin/markets',
      '/v1/admin/audit',
      '/v1/admin/notifications/deliveries',
    ]) {
      expectRefusal(await world.as('alice', { path }), { status: 403 })
    }
  })

  it.each(strange)('%s is 404', async (path) => {
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      expectRefusal(await at().as('operator', { method, path }), { status: 404 })
    }
  })

  it('every address takes its verbs and says so, 405 with Allow for the others', async () => {
    const world = at()
    const { body } = await world.send({ path: '/openapi.json' })
    const paths = Object.entries(body.paths as Record<string, object>)
    await Promise.all(
      paths.map(async ([template, operations]) => {
        const path = template.replace(/\{[a-z_]+\}/g, uuid)
        const own = Object.keys(operations).map((verb) => verb.toUpperCase())
        const allow = [...own, ...(own.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].sort().join(', ')
        for (const method of verbs.filter((verb) => !own.includes(verb))) {
          const answer = await world.as('alice', { method, path })
          expectRefusal(answer, { status: 405 })
          expect(answer.headers.allow).toBe(allow)
        }
        const options = await world.send({ method: 'OPTIONS', path })
        expect([options.status, options.headers.allow, options.text]).toEqual([204, allow, ''])
        expectCommon(options)
        if (!own.includes('GET')) {
          const head = await world.send({ method: 'HEAD', path })
          expect([head.status, head.headers.allow, head.text]).toEqual([405, allow, ''])
        }
      }),
    )
  })

  it('HEAD is GET without its body', async () => {
    const pick = ({ status, headers }: RawAnswer) => [status, headers['content-type'], headers['content-length']]
    for (const path of [
      '/healthz',
      '/openapi.json',
      '/docs',
      '/v1/ledger/assets',
      '/.well-known/jwks.json',
      '/v1/nope',
    ]) {
      const [get, head] = [await at().send({ path }), await at().send({ method: 'HEAD', path })]
      expect(pick(head)).toEqual(pick(get))
      expect(head.text).toBe('')
      expectCommon(head)
    }
    expect((await at().send({ method: 'HEAD', path: '/v1/orders' })).status).toBe(401)
  })

  it('has left nothing behind', () => at().expectUnchanged())
}
