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

it('names each operation once', () => {
  const ids = Object.values(paths).flatMap((item) => Object.values(item).map(({ operationId }) => operationId))
  expect(new Set(ids).size).toBe(ids.length)
})
