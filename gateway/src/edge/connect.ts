import { DomainError, type ErrorKind } from '@bitka/kernel'
import { ErrorInfoSchema } from '@bitka/proto/google/rpc/error_details_pb'
import type { DescService, Message } from '@bufbuild/protobuf'
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type ServiceImpl,
} from '@connectrpc/connect'
import type { UniversalHandler } from '@connectrpc/connect/protocol'
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from '@connectrpc/connect-node'
import type { PublicMethod } from '../methods.ts'
import { Refusal, toAnswer } from '../rest/errors.ts'
import { checkText } from '../rest/text.ts'
import type { Backends, Forward } from './backends.ts'
import { blameSender, withoutBody } from './connect-http.ts'
import type { Exchange } from './exchange.ts'
import { type Admission, type Caller, type Gatekeeper, idempotencyKey } from './gatekeeper.ts'
import { limitHeaders } from './limits.ts'
import type { SessionWatch } from './session-watch.ts'
import type { StreamSlots } from './slots.ts'

export type ConnectOptions = {
  methods: readonly PublicMethod[]
  gatekeeper: Gatekeeper
  backends: Backends
  sessions: SessionWatch
  slots: StreamSlots
  bodyBytes: number
  requestTimeoutMs: number
  /** Ends open streams when the gateway stops. */
  shutdown: AbortSignal
}

/** gRPC allows timeouts of years; ours are cut to the request timeout anyway. */
const CLIENT_TIMEOUT_MS_MAX = 24 * 3600_000

const tooLate = (): DomainError =>
  new DomainError('deadline_exceeded', 'The request took too long; its outcome is not known.')

const admissionKey = createContextKey<Admission | { refusal: unknown }>(
  { refusal: new Error('a call that nobody admitted') },
  { description: 'whether the caller may call' },
)
const exchangeKey = createContextKey<Exchange | undefined>(undefined, { description: 'the HTTP exchange of a call' })

/** The Connect, gRPC-Web and gRPC dialects: the same methods with the same rules, as typed clients speak to them. */
export class ConnectDialect {
  private readonly handlers: ReadonlyMap<string, UniversalHandler>
  private readonly methods: ReadonlyMap<string, PublicMethod>

  constructor(private readonly options: ConnectOptions) {
    const router = createConnectRouter({
      readMaxBytes: options.bodyBytes,
      maxTimeoutMs: CLIENT_TIMEOUT_MS_MAX,
      shutdownSignal: options.shutdown,
      acceptCompression: [compressionGzip, compressionBrotli],
    })
    this.register(router)
    this.methods = new Map(options.methods.map((method) => [`/${method.name}`, method]))
    this.handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]))
  }

  /** Whether this dialect has a method at the address. */
  has(path: string): boolean {
    return this.handlers.has(path)
  }

  /** What connectNodeAdapter does, with our log in place of the console. */
  async handle(exchange: Exchange): Promise<void> {
    const { req, res, path, log } = exchange
    const handler = this.handlers.get(path)
    if (!handler) throw new Error(`no typed method at ${path}`)
    const method = this.methods.get(path)
    if (!method) throw new Error(`no method behind ${path}`)
    const admission = await this.admit(exchange, method)
    const values = createContextValues().set(exchangeKey, exchange).set(admissionKey, admission)
    try {
      const request = universalRequestFromNodeRequest(req, res, undefined, values)
      const answer = await handler('refusal' in admission ? withoutBody(request) : request)
      await universalResponseToNodeResponse(await blameSender(answer), res)
    } catch (error) {
      // Nothing can be said to a client that is gone, and nothing is wrong.
      if (!res.destroyed) log.warn({ err: error }, 'an answer could not be written')
      res.destroy()
    }
  }

  private register(router: ConnectRouter): void {
    const services = new Map(this.options.methods.map(({ desc }) => [desc.parent, {} as Record<string, unknown>]))
    for (const method of this.options.methods) {
      const implementation = services.get(method.desc.parent)
      if (implementation) implementation[method.desc.localName] = this.implement(method)
    }
    // Each was made from the descriptor of its method, which the types cannot see.
    for (const [desc, implementation] of services) router.service(desc, implementation as ServiceImpl<DescService>)
  }

  private implement(method: PublicMethod): unknown {
    const { methodKind } = method.desc
    if (methodKind === 'unary') {
      return (request: Message, context: HandlerContext) => this.unary(method, request, context)
    }
    if (methodKind === 'server_streaming') {
      return (request: Message, context: HandlerContext) => this.stream(method, request, context)
    }
    throw new Error(`${method.name} is ${methodKind}, which no dialect carries`)
  }

  private async unary(method: PublicMethod, request: Message, context: HandlerContext): Promise<Message> {
    const exchange = exchangeOf(context)
    try {
      const { caller, edge } = await this.enter(method, request, context)
      const changes = !method.bindings.some(({ verb }) => verb === 'GET')
      const timeoutMs = Math.min(this.options.requestTimeoutMs, context.timeoutMs() ?? Number.POSITIVE_INFINITY)
      return await this.options.backends.call(method, request, {
        ...exchange.ids,
        token: caller.token,
        edge,
        deadlineMs: Date.now() + timeoutMs,
        signal: changes ? undefined : context.signal,
      })
    } catch (error) {
      const isLate =
        context.signal.reason instanceof ConnectError && context.signal.reason.code === Code.DeadlineExceeded
      throw publicError(isLate ? tooLate() : error, exchange)
    }
  }

  private async *stream(method: PublicMethod, request: Message, context: HandlerContext): AsyncGenerator<Message> {
    const exchange = exchangeOf(context)
    const expired = new AbortController()
    let release: (() => void) | undefined
    let unwatch: (() => void) | undefined
    try {
      const { caller, edge } = await this.enter(method, request, context)
      release = this.options.slots.take(caller.address)
      if (!release) throw new DomainError('rate_limited', 'Too many open streams from this address.')
      if (caller.user) unwatch = this.options.sessions.watch(caller.user, () => expired.abort())
      const signal = AbortSignal.any([context.signal, expired.signal])
      yield* this.options.backends.stream(method, request, { ...exchange.ids, token: caller.token, edge, signal })
    } catch (error) {
      const ended = expired.signal.aborted
      throw publicError(ended ? new DomainError('unauthenticated', 'The access token has expired.') : error, exchange)
    } finally {
      unwatch?.()
      release?.()
    }
  }

  /** Before anything of the body is read. */
  private async admit(exchange: Exchange, method: PublicMethod): Promise<Admission | { refusal: unknown }> {
    exchange.route = method.name
    try {
      const admission = await this.options.gatekeeper.admit(exchange.req, method, (consumed) =>
        exchange.setHeaders(limitHeaders(consumed)),
      )
      exchange.userId = admission.caller.user?.userId
      return admission
    } catch (refusal) {
      return { refusal }
    }
  }

  private async enter(
    method: PublicMethod,
    request: Message,
    context: HandlerContext,
  ): Promise<{ caller: Caller; edge: Forward['edge'] }> {
    const { gatekeeper } = this.options
    const exchange = exchangeOf(context)
    const { headers } = exchange.req
    const admission = context.values.get(admissionKey)
    if ('refusal' in admission) throw admission.refusal
    const { caller, consumed } = admission
    checkText(method.desc.input, request)
    const more = await gatekeeper.admitRequest(method, request, caller)
    exchange.setHeaders(limitHeaders([...consumed, ...more]))
    const edge = {
      clientAddress: caller.address,
      userAgent: caller.userAgent,
      idempotencyKey: idempotencyKey(text(headers['idempotency-key']), method, caller),
      prefer: text(headers.prefer),
    }
    return { caller, edge }
  }
}

const text = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join(', ') : value

function exchangeOf(context: HandlerContext): Exchange {
  const exchange = context.values.get(exchangeKey)
  if (!exchange) throw new Error('a call without its exchange')
  return exchange
}

const codes: Record<ErrorKind, Code> = {
  invalid: Code.InvalidArgument,
  unauthenticated: Code.Unauthenticated,
  mfa_required: Code.Unauthenticated,
  forbidden: Code.PermissionDenied,
  not_found: Code.NotFound,
  conflict: Code.AlreadyExists,
  insufficient_funds: Code.FailedPrecondition,
  rate_limited: Code.ResourceExhausted,
  unavailable: Code.Unavailable,
  deadline_exceeded: Code.DeadlineExceeded,
  internal: Code.Internal,
}

/** The error as typed clients see it: the code, and a google.rpc.ErrorInfo whose reason is the REST code. */
function publicError(error: unknown, exchange: Exchange): ConnectError {
  const kind: ErrorKind = error instanceof DomainError || error instanceof Refusal ? error.kind : 'internal'
  const { code, message, details = {}, headers = {} } = toAnswer(error, exchange.log)
  if (!exchange.res.headersSent) exchange.setHeaders(headers)
  const metadata = Object.fromEntries(Object.entries(details).map(([name, value]) => [name, String(value)]))
  const info = { reason: code, domain: 'bitka', metadata }
  return new ConnectError(message, codes[kind], undefined, [{ desc: ErrorInfoSchema, value: info }])
}
