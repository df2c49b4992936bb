import { setTimeout as pause } from 'node:timers/promises'
import { DomainError, type Logger } from '@bitka/kernel'
import { noTracing, type Span, type Tracing } from '@bitka/telemetry'
import type { DescService } from '@bufbuild/protobuf'
import { type Client as GrpcClient, Metadata } from '@grpc/grpc-js'
import type { Registry } from 'prom-client'
import { type MeshMethod, meshMethods } from './bridge.ts'
import { shareChannel } from './channels.ts'
import { failures, fromWire, type Outcome } from './errors.ts'
import { headerSafe, headers } from './headers.ts'
import type { WorkloadIdentity } from './identity.ts'
import { meshMetrics, type RpcMetrics } from './metrics.ts'
import type { ServiceName } from './names.ts'
import { RetryBudget, retryPauseMs } from './retry.ts'
import type { CallOptions, Client } from './types.ts'

/** What a hop keeps of its caller's deadline for itself, to answer before the caller gives up. */
const DEADLINE_MARGIN_MS = 50

export type ClientOptions<S extends DescService> = {
  identity: WorkloadIdentity
  /** `localhost:PORT`, `dns:///name:PORT`, or replicas as `127.0.0.1:PORT|127.0.0.1:PORT`. */
  target: string
  /** Who must answer there. */
  expect: ServiceName
  log: Logger
  /** How long a unary call may take when nothing says less; 5 s unless given. Also how long a stream waits for a connection. */
  defaultDeadlineMs?: number
  /** Methods that may be called twice with the effect of once: these are retried when the service cannot be reached. */
  idempotent?: readonly (keyof S['method'] & string)[]
  metrics?: Registry
  /** Where spans of calls go; nowhere unless given. */
  tracing?: Tracing
}

/** A typed client of one service. It connects at the first call, and waits for a connection within the call's deadline. */
export function createClient<S extends DescService>(desc: S, options: ClientOptions<S>): Client<S> {
  const channel = shareChannel(options.identity, options.target, options.expect, options.log)
  const caller = new Caller(channel.client, {
    defaultDeadlineMs: options.defaultDeadlineMs ?? 5_000,
    idempotent: new Set<string>(options.idempotent),
    metrics: meshMetrics(options.metrics).client,
    tracing: options.tracing ?? noTracing,
  })
  const methods = new Map<string, unknown>()
  for (const [name, method] of meshMethods(desc)) {
    if (name === 'close') throw new Error(`${desc.typeName}.Close collides with the client's close()`)
    methods.set(
      name,
      method.responseStream
        ? (request: object, call: CallOptions = {}) => caller.stream(method, request, call)
        : (request: object, call: CallOptions = {}) => caller.unary(method, request, call),
    )
  }
  methods.set('close', channel.release)
  // Built method by method from the descriptor that the type was derived from.
  return Object.fromEntries(methods) as Client<S>
}

type CallerOptions = {
  defaultDeadlineMs: number
  idempotent: ReadonlySet<string>
  metrics: RpcMetrics
  tracing: Tracing
}

class Caller {
  private readonly budget = new RetryBudget()

  constructor(
    private readonly grpc: GrpcClient,
    private readonly options: CallerOptions,
  ) {}

  async unary(method: MeshMethod, request: object, call: CallOptions): Promise<object> {
    const deadlineMs = deadlineOf(call, this.options.defaultDeadlineMs)
    const signal = signalOf(call)
    const retries = this.options.idempotent.has(method.desc.localName)
    const startedMs = performance.now()
    const span = this.begin(method, call)
    for (let attempt = 1; ; attempt += 1) {
      try {
        const response = await this.attempt(method, request, metadataOf(call, span), deadlineMs, signal)
        this.budget.succeeded()
        this.options.metrics.observe(method.path, 'ok', performance.now() - startedMs)
        span?.end()
        return response
      } catch (error) {
        const refusal = signal?.aborted ? cancelled(signal) : fromWire(error)
        const again = refusal.kind === 'unavailable' && !signal?.aborted && this.budget.failed(attempt)
        const pauseMs = retryPauseMs(attempt)
        if (!retries || !again || Date.now() + pauseMs >= deadlineMs) {
          const outcome: Outcome = signal?.aborted ? 'cancelled' : refusal.kind
          this.options.metrics.observe(method.path, outcome, performance.now() - startedMs)
          span?.set({ outcome, attempts: attempt })
          span?.end(failures.has(outcome) ? refusal : undefined)
          throw refusal
        }
        await pause(pauseMs)
      }
    }
  }

  async *stream(method: MeshMethod, request: object, call: CallOptions): AsyncGenerator<object> {
    const signal = signalOf(call)
    const deadlineMs = deadlineOf(call, Number.POSITIVE_INFINITY)
    const startedMs = performance.now()
    const span = this.begin(method, call)
    let outcome: Outcome = 'cancelled'
    let cancel = () => {}
    try {
      signal?.throwIfAborted()
      await this.connected(Math.min(deadlineMs, Date.now() + this.options.defaultDeadlineMs))
      signal?.throwIfAborted()
      const stream = this.grpc.makeServerStreamRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadataOf(call, span),
        { deadline: deadlineMs },
      )
      // Iterating hears errors; one that comes after the iteration has ended has nobody left to hear it.
      stream.on('error', () => {})
      cancel = () => stream.cancel()
      signal?.addEventListener('abort', cancel, { once: true })
      yield* stream
      outcome = 'ok'
    } catch (error) {
      const refusal = signal?.aborted ? cancelled(signal) : fromWire(error)
      if (!signal?.aborted) outcome = refusal.kind
      throw refusal
    } finally {
      signal?.removeEventListener('abort', cancel)
      cancel()
      this.options.metrics.observe(method.path, outcome, performance.now() - startedMs)
      span?.set({ outcome })
      span?.end(failures.has(outcome) ? outcome : undefined)
    }
  }

  /** The span of a call within a trace; one that serves no request has none. */
  private begin(method: MeshMethod, { ctx }: CallOptions): Span | undefined {
    if (ctx?.traceparent === undefined) return undefined
    return this.options.tracing.span(method.path.slice(1), ctx.traceparent, { kind: 'client' })
  }

  private attempt(
    method: MeshMethod,
    request: object,
    metadata: Metadata,
    deadlineMs: number,
    signal: AbortSignal | undefined,
  ): Promise<object> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      if (deadlineMs <= Date.now()) return reject(tooLate())
      metadata.setOptions({ waitForReady: true })
      const call = this.grpc.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadata,
        { deadline: deadlineMs },
        (error, response) => {
          signal?.removeEventListener('abort', cancel)
          if (error) reject(error)
          else if (response === undefined) reject(new Error('a call ended without an answer'))
          else resolve(response)
        },
      )
      function cancel(): void {
        call.cancel()
      }
      signal?.addEventListener('abort', cancel, { once: true })
    })
  }

  private connected(deadlineMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.grpc.waitForReady(deadlineMs, (error) => {
        if (!error) resolve()
        else reject(new DomainError('unavailable', 'A needed service cannot be reached.', {}, { cause: error }))
      })
    })
  }
}

const tooLate = (): DomainError =>
  new DomainError('deadline_exceeded', 'There is no time left for this request; its outcome is not known.')

const cancelled = (signal: AbortSignal): DomainError =>
  new DomainError('unavailable', 'The call was cancelled.', {}, { cause: signal.reason })

/** The earlier of this call's own limit and what is left to the call that it serves. */
function deadlineOf(call: CallOptions, defaultMs: number): number {
  const ownMs = Date.now() + (call.deadlineMs ?? defaultMs)
  const servedMs = (call.ctx?.deadlineMs ?? Number.POSITIVE_INFINITY) - DEADLINE_MARGIN_MS
  return Math.min(ownMs, servedMs)
}

function signalOf({ ctx, signal }: CallOptions): AbortSignal | undefined {
  return signal && ctx?.signal ? AbortSignal.any([signal, ctx.signal]) : (signal ?? ctx?.signal)
}

function metadataOf({ ctx, token, edge, metadata: extra }: CallOptions, span: Span | undefined): Metadata {
  const metadata = new Metadata()
  const values = {
    ...extra,
    [headers.requestId]: ctx?.requestId,
    [headers.traceparent]: span?.traceparent,
    [headers.authorization]: token === undefined ? undefined : `Bearer ${token}`,
    [headers.clientAddress]: edge?.clientAddress,
    [headers.userAgent]: edge?.userAgent,
    [headers.idempotencyKey]: edge?.idempotencyKey,
    [headers.prefer]: edge?.prefer,
  }
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) metadata.set(name, name === headers.authorization ? value : headerSafe(value))
  }
  return metadata
}
