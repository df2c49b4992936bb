import { Validator } from '@seriousme/openapi-schema-validator'
import { publicMethods } from '../src/methods.ts'
import { openApiDocument } from '../src/openapi/document.ts'
import { publicServices } from '../src/public-services.ts'
import { Router } from '../src/rest/router.ts'

const document = openApiDocument({ needsUser: ({ anonymous }) => !anonymous })
const paths = document.paths as Record<string, Record<string, Record<string, unknown>>>

it('is a valid OpenAPI 3.1 document', async () => {
  const validator = new Validator()
  expect(await validator.validate(structuredClone(document))).toEqual({ valid: true })
  expect(validator.version).toBe('3.1')
})

it('lists every route of the router, with a summary', () => {
  const listed = Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item).map((verb) => `${verb.toUpperCase()} ${path}`),
  )
  const routes = new Router(publicMethods(publicServices)).routes
  expect(listed).toEqual(expect.arrayContaining(routes.map(({ binding }) => `${binding.verb} ${binding.path}`)))
  for (const { binding } of routes) {
    expect(paths[binding.path]?.[binding.verb.toLowerCase()]?.summary).toMatch(/\.$/)
  }
  expect(listed).toEqual(
    expect.arrayContaining(['GET /v1/marketdata/stream', 'GET /healthz', 'GET /.well-known/jwks.json']),
  )
})

it('says what a route needs', () => {
  const create = paths['/v1/ledger/transactions']?.post
  expect(create).toMatchObject({
    security: [{ bearer: [] }],
    parameters: [{ name: 'Idempotency-Key', in: 'header', schema: { format: 'uuid' } }],
    requestBody: { required: true },
    responses: { 201: { description: 'Success.' } },
  })
  expect(paths['/v1/marketdata/candles']?.get).toMatchObject({ security: [] })
  expect(paths['/v1/users/{user_id}']?.get).toMatchObject({
    parameters: [{ name: 'user_id', in: 'path', required: true }],
  })
})

it('offers an Idempotency-Key where a signed-in caller changes something, and nowhere else', () => {
  const takesKey = (path: string, verb: string): boolean | undefined => {
    const parameters = paths[path]?.[verb]?.parameters as { name: string }[] | undefined
    return parameters?.some(({ name }) => name === 'Idempotency-Key')
  }
  for (const [verb, path] of [
    ['post', '/v1/orders'],
    ['delete', '/v1/orders/{order_id}'],
    ['post', '/v1/admin/markets/{symbol}/halt'],
    ['delete', '/v1/admin/services/{service}/dead-letters/{dead_letter_id}'],
  ] as const) {
    expect([path, takesKey(path, verb)]).toEqual([path, true])
  }
  for (const [verb, path] of [
    ['get', '/v1/orders'],
    ['put', '/v1/admin/markets/{symbol}'],
    ['patch', '/v1/users/me'],
    ['post', '/v1/auth/login'],
    ['post', '/v1/webhooks/mailgun'],
  ] as const) {
    expect([path, takesKey(path, verb)]).toEqual([path, false])
  }
})

it('names each operation once', () => {
  const ids = Object.values(paths).flatMap((item) => Object.values(item).map(({ operationId }) => operationId))
  expect(new Set(ids).size).toBe(ids.length)
})

/** What every GET answers, by hand: a page of a list, or one thing. A new route without a verdict here fails. */
const answers: Readonly<Record<string, 'page' | 'page and cursor' | 'limit and cursor' | 'one thing' | 'plain array'>> =
  {
    '/.well-known/jwks.json': 'one thing',
    '/v1/.well-known/jwks.json': 'one thing',
    '/v1/users/me': 'one thing',
    '/v1/users/{user_id}': 'one thing',
    '/v1/ledger/accounts': 'page',
    '/v1/ledger/accounts/{account_id}': 'one thing',
    '/v1/ledger/transactions': 'page and cursor',
    '/v1/ledger/transactions/{transaction_id}': 'one thing',
    '/v1/ledger/assets': 'plain array',
    '/v1/ledger/assets/{symbol}': 'one thing',
    '/v1/orders': 'page and cursor',
    '/v1/orders/{order_id}': 'one thing',
    '/v1/fills': 'page and cursor',
    '/v1/fees': 'page',
    '/v1/time': 'one thing',
    '/v1/marketdata/symbols': 'page',
    '/v1/marketdata/candles': 'limit and cursor',
    '/v1/marketdata/ticks': 'limit and cursor',
    '/v1/marketdata/orderbook/{symbol}': 'one thing',
    // Snapshots and updates, not items.
    '/v1/marketdata/orderbook/{symbol}/history': 'one thing',
    '/v1/admin/users': 'page',
    '/v1/admin/markets': 'page',
    '/v1/admin/markets/{symbol}/engine': 'one thing',
    '/v1/admin/audit': 'page and cursor',
    '/v1/admin/notifications/deliveries': 'page',
    '/v1/admin/services/{service}/health': 'one thing',
    '/v1/admin/services/{service}/dead-letters': 'page',
  }

type Described = { $ref?: string; type?: string; required?: string[]; properties?: Record<string, Described> }

const resolved = (schema: Described): Described => {
  const name = schema.$ref?.split('/').at(-1)
  if (name === undefined) return schema
  return (document.components as { schemas: Record<string, Described> }).schemas[name] ?? {}
}

describe('a list is items and pagination', () => {
  const routes = new Router(publicMethods(publicServices)).routes.filter(({ binding }) => binding.verb === 'GET')

  it('every GET has a verdict', () => {
    expect(routes.map(({ binding }) => binding.path).sort()).toEqual(Object.keys(answers).sort())
  })

  it.each(Object.entries(answers))('%s is a %s', (path, answer) => {
    const get = paths[path]?.get as {
      parameters: { name: string; in: string }[]
      responses: { 200: { content: { 'application/json': { schema: Described } } } }
    }
    const { schema } = get.responses[200].content['application/json']
    const data = resolved(schema.properties?.data ?? schema)
    const asked = get.parameters.filter((one) => one.in === 'query').map(({ name }) => name)
    const paging = ['page', 'per_page', 'limit', 'cursor'].filter((name) => asked.includes(name))
    if (answer === 'plain array') expect(data.type).toBe('array')
    else if (answer === 'one thing') expect(data.properties).not.toHaveProperty('items')
    else {
      expect(data.required).toEqual(expect.arrayContaining(['items']))
      expect(resolved(data.properties?.pagination ?? {}).properties).toHaveProperty('total_pages')
      const wanted = { page: ['page', 'per_page'], 'page and cursor': ['page', 'per_page', 'cursor'] }
      // Dead letters had a limit before they had pages.
      const known = path.endsWith('/dead-letters') ? ['page', 'per_page', 'limit'] : undefined
      expect(paging).toEqual(answer === 'limit and cursor' ? ['limit', 'cursor'] : (known ?? wanted[answer]))
    }
  })
})
