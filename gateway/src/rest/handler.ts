import type { Clock } from '@bitka/kernel'
import type { Message } from '@bufbuild/protobuf'
import type { Backends } from '../edge/backends.ts'
import type { Exchange } from '../edge/exchange.ts'
import { type Gatekeeper, idempotencyKey } from '../edge/gatekeeper.ts'
import { answerOptions, type HeaderOptions } from '../edge/headers.ts'
import type { Consumed } from '../edge/limiter.ts'
import { limitHeaders } from '../edge/limits.ts'
import type { PublicMethod } from '../methods.ts'
import { type BodyLimits, readBody } from './body.ts'
import { contentCacheControl } from './cache.ts'
import { encodeField, encodeMessage, type Json, read } from './encode.ts'
import { methodNotAllowed, Refusal } from './errors.ts'
import { restFields } from './fields.ts'
import { decodeRequest } from './request.ts'
import type { Route, Router } from './router.ts'

export type RestOptions = {
  router: Router
  gatekeeper: Gatekeeper
  backends: Backends
  headers: HeaderOptions
  body: BodyLimits
  requestTimeoutMs: number
  clock: Clock
}

/** Answers REST: find the method, let the caller in, decode, call, encode. Throws what toAnswer() makes public. */
export async function handleRest(exchange: Exchange, options: RestOptions): Promise<void> {
  const { router, gatekeeper, headers } = options
  const { req, res, path } = exchange
  const match = router.match(req.method ?? '', path)
  if (match.found === 'route') return await answer(exchange, match.route, match.params, options)
  exchange.setHeaders(limitHeaders(await gatekeeper.admitStranger(req)))
  if (match.found === 'nothing') throw notFound()
  if (req.method !== 'OPTIONS') throw methodNotAllowed(match.allow)
  answerOptions(req, res, headers, match.allow)
}

const notFound = (): Refusal =>
  new Refusal({ status: 404, code: 'NOT_FOUND', message: 'There is nothing at this address.' }, 'not_found')

async function answer(
  exchange: Exchange,
  route: Route,
  params: ReadonlyMap<string, string>,
  { gatekeeper, backends, body, requestTimeoutMs, clock }: RestOptions,
): Promise<void> {
  const { req } = exchange
  const { method, binding } = route
  exchange.route = method.name
  const counted = (consumed: Consumed[]): void => exchange.setHeaders(limitHeaders(consumed))
  const { caller, consumed } = await gatekeeper.admit(req, method, counted)
  exchange.userId = caller.user?.userId
  const key = idempotencyKey(singleHeader(req.headers['idempotency-key']), method, caller)
  const bytes = binding.body === '' ? new Uint8Array() : await readBody(req, body)
  const request = decodeRequest(route, params, exchange.query, bytes)
  const more = await gatekeeper.admitRequest(method, request, caller)
  exchange.setHeaders(limitHeaders([...consumed, ...more]))
  const response = await backends.call(method, request, {
    ...exchange.ids,
    token: caller.token,
    edge: {
      clientAddress: caller.address,
      userAgent: caller.userAgent,
      idempotencyKey: key,
      prefer: singleHeader(req.headers.prefer),
    },
    deadlineMs: Date.now() + requestTimeoutMs,
    // A read that nobody waits for is stopped; a change goes on, since its author may only have lost the connection.
    signal: binding.verb === 'GET' ? closedSignal(exchange) : undefined,
  })
  const cacheControl = contentCacheControl(method.desc, request, response, {
    nowMs: clock.nowMs(),
    needsUser: gatekeeper.needsUser(method),
  })
  send(exchange, method, response, cacheControl ?? method.cacheControl)
}

const singleHeader = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join(', ') : value

function closedSignal({ res }: Exchange): AbortSignal {
  const controller = new AbortController()
  res.once('close', () => controller.abort(new Error('the client went away')))
  return controller.signal
}

function send(exchange: Exchange, method: PublicMethod, response: Message, cacheControl: string | undefined): void {
  if (cacheControl !== undefined) exchange.setHeaders({ 'Cache-Control': cacheControl })
  const data = payload(method, response)
  if (method.envelope) exchange.sendData(method.status, data)
  else exchange.sendJson(method.status, data)
}

/** The data of a success: one field where the contract names one, else the message; null for a message without fields. */
function payload({ desc, responseBody }: PublicMethod, response: Message): Json {
  const fields = restFields(desc.output)
  if (fields.length === 0) return null
  if (responseBody === undefined) return encodeMessage(desc.output, response)
  const field = fields.find(({ name }) => name === responseBody)
  if (!field) throw new Error(`${desc.output.typeName} has no field ${responseBody}`)
  return encodeField(field, read(response, field)) ?? null
}
