import type { PublicMethod } from '../methods.ts'
import { type RestField, restFields } from '../rest/fields.ts'
import { queryFields } from '../rest/request.ts'
import type { Route } from '../rest/router.ts'
import { commentOf, type Schema, type Schemas } from './schema.ts'

const json = (schema: Schema): Schema => ({ 'application/json': { schema } })

/** One operation of the document. */
export function operation(route: Route, schemas: Schemas, openMarketData: (method: PublicMethod) => boolean): Schema {
  const { method, binding } = route
  const description = commentOf(method.desc.parent.typeName.concat('.', method.desc.name)) ?? ''
  const first = route.method.bindings[0] === binding
  return {
    operationId: `${method.desc.parent.name}_${method.desc.name}${first ? '' : '_alias'}`,
    tags: [method.desc.parent.name],
    summary: description.split(/(?<=\.)\s/)[0],
    description,
    parameters: [...parameters(route, schemas), ...headerParameters(method)],
    ...(binding.body !== '' && { requestBody: requestBody(route, schemas) }),
    responses: responses(method, schemas),
    security: openMarketData(method) ? [] : [{ bearer: [] }],
  }
}

function parameters(route: Route, schemas: Schemas): Schema[] {
  const one = (field: RestField, place: 'path' | 'query'): Schema => {
    const { description, ...schema } = schemas.field(field, true)
    return { name: field.name, in: place, required: place === 'path', description, schema }
  }
  const inPath = [...route.pathFields.values()].map((field) => one(field, 'path'))
  if (route.binding.body !== '') return inPath
  return [...inPath, ...[...queryFields(route).values()].map((field) => one(field, 'query'))]
}

function headerParameters(method: PublicMethod): Schema[] {
  const out: Schema[] = []
  if (method.takesIdempotencyKey) {
    const schema = method.uuidIdempotencyKey
      ? { type: 'string', format: 'uuid' }
      : { type: 'string', minLength: 1, maxLength: 64, pattern: '^[\\x21-\\x7e]+$' }
    const description = 'Makes a repeat of this request safe: it gets the first answer.'
    out.push({ name: 'Idempotency-Key', in: 'header', required: false, description, schema })
  }
  if (method.limit === 'orders') {
    const description = 'wait=<seconds up to 5>: answer once the engine has (RFC 7240).'
    out.push({ name: 'Prefer', in: 'header', required: false, description, schema: { type: 'string' } })
  }
  return out
}

function requestBody({ method, binding, pathFields }: Route, schemas: Schemas): Schema {
  const { input } = method.desc
  if (binding.body === '*') {
    const rest = restFields(input).filter(({ name }) => !pathFields.has(name))
    const required = rest.some(({ presence, repeated }) => !presence && !repeated)
    return { required, content: json(schemas.request(input, new Set(pathFields.keys()))) }
  }
  const field = restFields(input).find(({ name }) => name === binding.body)
  return { required: true, content: json(field ? schemas.field(field, true) : {}) }
}

function responses(method: PublicMethod, schemas: Schemas): Schema {
  const data = dataSchema(method, schemas)
  const schema = method.envelope
    ? {
        type: 'object',
        required: ['success', 'data', 'meta'],
        properties: { success: { const: true }, data, meta: { $ref: '#/components/schemas/Meta' } },
      }
    : data
  const headers = {
    'X-Request-Id': { $ref: '#/components/headers/RequestId' },
    RateLimit: { $ref: '#/components/headers/RateLimit' },
    'RateLimit-Policy': { $ref: '#/components/headers/RateLimitPolicy' },
  }
  return {
    [method.status]: { description: 'Success.', headers, content: json(schema) },
    '4XX': { $ref: '#/components/responses/Refused' },
    '429': { $ref: '#/components/responses/TooMany' },
    '5XX': { $ref: '#/components/responses/Failed' },
  }
}

function dataSchema(method: PublicMethod, schemas: Schemas): Schema {
  const { output } = method.desc
  const fields = restFields(output)
  if (fields.length === 0) return { type: 'null' }
  const field = fields.find(({ name }) => name === method.responseBody)
  return field ? schemas.field(field, false) : schemas.response(output)
}
