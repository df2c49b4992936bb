import { DomainError, type ErrorKind, type Logger } from '@bitka/kernel'
import { type Span, type Tracing, traceIdOf } from '@bitka/telemetry'
import type { DescMethod, Message } from '@bufbuild/protobuf'
import type { ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js'
import { checkCaller, identifyUser } from './authorize.ts'
import { methodPath } from './bridge.ts'
import { failures, type Outcome, toDomainError } from './errors.ts'
import { edgeFactsOf, requestIdOf, traceparentOf } from './headers.ts'
import type { CountRefusal, RpcMetrics } from './metrics.ts'
import type { ParsedSpiffeId, ServiceName } from './names.ts'
import { PeerError, peerId } from './peer.ts'
import { redactMessage } from './redact.ts'
import type { CallContext, MethodPolicy, VerifyToken } from './types.ts'

/** What both kinds of call have. */
export type IncomingCall = ServerUnaryCall<object, Buffer> | ServerWritableStream<object, Buffer>

/** The identity that the caller's certificate names. Throws PeerError. */
export function peerOf(call: Pick<IncomingCall, 'getAuthContext'>, trustDomain: string): ParsedSpiffeId {
  const certificate = call.getAuthContext().sslPeerCertificate
  if (!certificate) throw new PeerError('no_certificate', 'no client certificate')
  return peerId(certificate, trustDomain)
}

/** What a server's calls share. */
export type CallEnvironment = {
  trustDomain: string
  verifyToken?: VerifyToken
  log: Logger
  metrics: RpcMetrics
  tracing: Tracing
  refused: CountRefusal
  /** The longest a unary call may take, whatever its caller allows. */
  deadlineMsMax: number
  active: ActiveCalls
}

const refusals: ReadonlySet<Outcome> = new Set<ErrorKind>(['unavailable', 'deadline_exceeded'])

/** The calls that a server is answering, so that a drain can end them. */
export class ActiveCalls {
  private readonly calls = new Set<ServerCall>()
  private streamsEnded = false

  add(call: ServerCall): void {
    this.calls.add(call)
    if (this.streamsEnded && call.isStream) call.shutDown()
  }

  remove(call: ServerCall): void {
    this.calls.delete(call)
  }

  /** Streams would not end by themselves, so they end at once, also those that still come in. */
  endStreams(): void {
    this.streamsEnded = true
    for (const call of this.calls) if (call.isStream) call.shutDown()
  }

  endAll(): void {
    for (const call of this.calls) call.shutDown()
  }
}

/** One call from its arrival to its log line. */
export class ServerCall {
  readonly controller = new AbortController()
  private readonly startedMs = performance.now()
  private readonly requestId: string
  private readonly span: Span
  private readonly path: string
  private readonly deadlineMs: number
  private caller: string | undefined
  private userId: string | undefined
  private logger: Logger | undefined
  private timer: NodeJS.Timeout | undefined
  private readonly onCancelled = () => this.controller.abort()

  constructor(
    private readonly call: IncomingCall,
    private readonly method: DescMethod,
    private readonly env: CallEnvironment,
  ) {
    this.path = methodPath(method)
    this.requestId = requestIdOf(call.metadata)
    this.span = env.tracing.span(this.path.slice(1), traceparentOf(call.metadata), { kind: 'server' })
    this.deadlineMs = this.limitTime()
    call.once('cancelled', this.onCancelled)
    env.active.add(this)
  }

  get isStream(): boolean {
    return this.method.methodKind !== 'unary'
  }

  shutDown(): void {
    this.controller.abort(new DomainError('unavailable', 'The service is shutting down; try again.'))
  }

  /** Who calls, and for whom, by the method's policy. Throws DomainError for whom it does not allow. */
  async authorize(policy: MethodPolicy): Promise<CallContext> {
    const caller = this.identifyCaller()
    this.checkPermitted(policy, caller)
    const user = await identifyUser(policy, this.method, this.call.metadata, this.env.verifyToken)
    this.userId = user?.userId
    const self = this
    return {
      // A person's address is what the gateway says it is; from anybody else it would be hearsay.
      ...(caller === 'gateway' ? edgeFactsOf(this.call.metadata) : {}),
      caller,
      user,
      requestId: this.requestId,
      traceparent: this.span.traceparent,
      deadlineMs: this.deadlineMs,
      signal: this.controller.signal,
      method: this.path,
      get log() {
        return self.log
      },
    }
  }

  private checkPermitted(policy: MethodPolicy, caller: ServiceName | undefined): asserts caller is ServiceName {
    try {
      checkCaller(policy, caller)
    } catch (error) {
      this.env.refused('not_permitted')
      throw error
    }
  }

  /** The service that the certificate names; undefined for an identity of our trust domain that is no service. */
  private identifyCaller(): ServiceName | undefined {
    try {
      const id = peerOf(this.call, this.env.trustDomain)
      this.caller = id.service ?? id.id
      return id.service
    } catch (error) {
      if (error instanceof PeerError) this.env.refused(error.reason)
      this.log.warn({ err: error, peer: this.call.getPeer() }, 'refused a peer by its certificate')
      throw new DomainError('forbidden', 'The calling service has no usable identity.')
    }
  }

  get log(): Logger {
    this.logger ??= this.env.log.child({
      request_id: this.requestId,
      trace_id: traceIdOf(this.span.traceparent),
      method: this.path,
    })
    return this.logger
  }

  /** Ends a call that failed. Answers what goes on the wire; undefined when nobody is there any more to read it. */
  fail(error: unknown): DomainError | undefined {
    const { aborted, reason } = this.controller.signal
    if (aborted && !(reason instanceof DomainError)) {
      this.end(Date.now() >= this.deadlineMs ? 'deadline_exceeded' : 'cancelled')
      return undefined
    }
    // What a handler throws because it was stopped matters less than why it was.
    const refusal = toDomainError(aborted ? reason : error, this.log)
    this.end(refusal.kind, refusal.message)
    return refusal
  }

  /** Ends the call's bookkeeping: timers, metrics, and the one log line of the request. */
  end(outcome: Outcome, reason?: string): void {
    clearTimeout(this.timer)
    // grpc-js also says "cancelled" when the stream of an answered call closes.
    this.call.off('cancelled', this.onCancelled)
    this.env.active.remove(this)
    const tookMs = performance.now() - this.startedMs
    this.env.metrics.observe(this.path, outcome, tookMs)
    this.span.set({ outcome, caller: this.caller ?? '' })
    this.span.end(failures.has(outcome) ? outcome : undefined)
    const line = {
      request_id: this.requestId,
      trace_id: traceIdOf(this.span.traceparent),
      method: this.path,
      caller: this.caller,
      user_id: this.userId,
      outcome,
      ms: Math.round(tookMs * 100) / 100,
    }
    if (outcome === 'internal') this.env.log.error({ ...line, request: this.redacted() }, 'rpc')
    else if (refusals.has(outcome)) this.env.log.warn({ ...line, reason }, 'rpc')
    else if (this.env.log.isLevelEnabled('debug')) this.env.log.debug({ ...line, request: this.redacted() }, 'rpc')
    else this.env.log.info(line, 'rpc')
  }

  private redacted(): object {
    return redactMessage(this.method.input, this.call.request as Message)
  }

  /** gRPC ends a call at its caller's deadline; a unary one also ends at the server's own. */
  private limitTime(): number {
    const deadline = this.call.getDeadline()
    const callerMs = deadline instanceof Date ? deadline.getTime() : deadline
    if (this.isStream) return callerMs
    const ownMs = Date.now() + this.env.deadlineMsMax
    if (callerMs <= ownMs) return callerMs
    this.timer = setTimeout(
      () =>
        this.controller.abort(
          new DomainError('deadline_exceeded', 'The request took too long; its outcome is not known.'),
        ),
      this.env.deadlineMsMax,
    )
    return ownMs
  }
}
