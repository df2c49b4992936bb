import { type PublicMethod, publicMethods } from '../methods.ts'
import { publicServices } from '../public-services.ts'
import { errorCodes } from '../rest/errors.ts'
import { Router } from '../rest/router.ts'
import { STREAM_PATH } from '../stream/path.ts'
import { operation } from './operations.ts'
import { commentOf, type Schema, Schemas } from './schema.ts'

/** The OpenAPI 3.1 document, made from the same descriptors as the router. */
export function openApiDocument(options: { needsUser: (method: PublicMethod) => boolean }): Schema {
  const schemas = new Schemas()
  const paths: Record<string, Record<string, Schema>> = {}
  for (const route of new Router(publicMethods(publicServices)).routes) {
    const { verb, path } = route.binding
    const one = operation(route, schemas, (method) => !options.needsUser(method))
    paths[path] = { ...paths[path], [verb.toLowerCase()]: one }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'BitKa',
      version: '1',
      description:
        'The public REST API. The same methods are served over the Connect, gRPC-Web and gRPC protocols; live data comes over ' +
        `the WebSocket at ${STREAM_PATH}. Amounts, prices and quantities are decimal strings. Times are RFC 3339 in UTC.`,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: publicServices.map(({ desc }) => ({ name: desc.name, description: commentOf(desc.typeName) })),
    paths: { ...paths, ...ownPaths() },
    components: { ...components(), schemas: { ...ownSchemas(), ...schemas.all } },
  }
}

const plainJson = (description: string): Schema => ({
  description,
  content: { 'application/json': { schema: { type: 'object' } } },
})

/** What the gateway answers itself. */
function ownPaths(): Record<string, Schema> {
  const get = (operationId: string, summary: string, responses: Schema): Schema => ({
    get: { operationId, tags: ['Gateway'], summary, responses, security: [] },
  })
  return {
    [STREAM_PATH]: get(
      'stream',
      'Opens the WebSocket with market data, orders, fills and balances. Messages are JSON text frames.',
      {
        '101': { description: 'Switching to the WebSocket protocol.' },
        '4XX': { $ref: '#/components/responses/Refused' },
      },
    ),
    '/healthz': get('healthz', 'Whether the gateway lives.', { '200': plainJson('It does.') }),
    '/readyz': get('readyz', 'Whether every service behind the gateway answers.', {
      '200': plainJson('All do.'),
      '503': plainJson('Names those that do not.'),
    }),
    '/openapi.json': get('openapi', 'This document.', { '200': plainJson('OpenAPI 3.1.') }),
  }
}

const text = (description: string): Schema => ({ description, schema: { type: 'string' } })

const refusal = (description: string): Schema => ({
  description,
  headers: { 'X-Request-Id': { $ref: '#/components/headers/RequestId' } },
  content: { 'application/json': { schema: { $ref: '#/components/schemas/ErrorEnvelope' } } },
})

const components = (): Schema => ({
  securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
  headers: {
    RequestId: text('Names the request in every log.'),
    RateLimit: text('What is left of the budgets, and when they are full again.'),
    RateLimitPolicy: text('The budgets that the request was taken from.'),
    RetryAfter: text('Seconds to wait.'),
  },
  responses: {
    Refused: refusal('The request was refused; nothing was changed.'),
    TooMany: {
      ...refusal('Too many requests.'),
      headers: { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } },
    },
    Failed: refusal('Something is wrong on our side; a repeat with the same Idempotency-Key is safe.'),
  },
})

const ownSchemas = (): Record<string, Schema> => ({
  Meta: { type: 'object', required: ['request_id'], properties: { request_id: { type: 'string', format: 'uuid' } } },
  ErrorEnvelope: {
    type: 'object',
    required: ['success', 'error', 'meta'],
    properties: {
      success: { const: false },
      error: { $ref: '#/components/schemas/Error' },
      meta: { $ref: '#/components/schemas/Meta' },
    },
  },
  Error: {
    type: 'object',
    required: ['code', 'message', 'instance'],
    properties: {
      code: { type: 'string', enum: errorCodes.map(({ code }) => code) },
      message: { type: 'string', description: 'A sentence for people.' },
      instance: { type: 'string', description: 'The path of the request.' },
      details: { type: 'object', additionalProperties: true, description: 'Field path → what is wrong with it.' },
    },
  },
})
