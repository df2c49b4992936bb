import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from '@bitka/kernel'
import { noTracing, type Span, type Tracing, traceIdOf } from '@bitka/telemetry'
import { discardBody, hasBody } from '../rest/body.ts'
import type { Json } from '../rest/encode.ts'
import { type ErrorAnswer, errorEnvelope } from '../rest/errors.ts'
import { type RequestIds, requestIdOf, sentTraceparent } from './trace.ts'

/**
 * The path and query that a request names, as they were sent. A proxy's client names the whole address, which every server
 * has to understand (RFC 9112, 3.2.2).
 */
export function targetOf({ url = '/' }: IncomingMessage): { path: string; query: string } {
  const target = url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?]*/i, '')
  const mark = target.indexOf('?')
  return { path: (mark < 0 ? target : target.slice(0, mark)) || '/', query: mark < 0 ? '' : target.slice(mark + 1) }
}

const PROBES: ReadonlySet<string> = new Set(['/healthz', '/readyz'])

/** One HTTP request and its answer. */
export class Exchange {
  readonly ids: RequestIds
  readonly span: Span
  readonly path: string
  readonly query: string
  readonly startedMs = performance.now()
  readonly log: Logger
  /** What answers, for logs and metrics; never the path itself, which may hold anything. */
  route = 'none'
  /** Who asked, once that is known. */
  userId: string | undefined

  constructor(
    readonly req: IncomingMessage,
    readonly res: ServerResponse,
    log: Logger,
    tracing: Tracing,
  ) {
    const { path, query } = targetOf(req)
    this.path = path
    this.query = query
    // Probes come every second and tell nothing.
    const own = PROBES.has(path) ? noTracing : tracing
    this.span = own.begin('request', sentTraceparent(req.headers), { kind: 'server' })
    this.ids = { requestId: requestIdOf(req.headers), traceparent: this.span.traceparent }
    this.log = log.child({ request_id: this.ids.requestId, trace_id: traceIdOf(this.ids.traceparent) })
    res.setHeader('X-Request-Id', this.ids.requestId)
  }

  setHeaders(headers: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(headers)) {
      // HTTP/2 has no Connection header.
      if (name !== 'Connection' || this.req.httpVersionMajor === 1) this.res.setHeader(name, value)
    }
  }

  /** A success in the envelope. */
  sendData(status: number, data: Json): void {
    this.sendJson(status, { success: true, data, meta: { request_id: this.ids.requestId } })
  }

  /** A refusal in the envelope. */
  sendError(answer: ErrorAnswer): void {
    this.setHeaders(answer.headers ?? {})
    this.res.setHeader('Cache-Control', 'no-store')
    this.sendJson(answer.status, errorEnvelope(answer, this.path, this.ids.requestId))
  }

  sendJson(status: number, body: Json): void {
    this.send(status, 'application/json; charset=utf-8', JSON.stringify(body))
  }

  send(status: number, type: string, body: string | Uint8Array): void {
    const { req, res } = this
    if (res.headersSent || res.destroyed) return
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    if (!res.hasHeader('Cache-Control')) res.setHeader('Cache-Control', 'no-store')
    if (req.complete || !hasBody(req)) {
      this.write(status, type, bytes)
      return
    }
    // What was not read must not be taken for the next request.
    this.setHeaders({ Connection: 'close' })
    void discardBody(req).then(() => this.write(status, type, bytes))
  }

  private write(status: number, type: string, bytes: Uint8Array): void {
    const { req, res } = this
    if (res.destroyed) return
    res.writeHead(status, { 'Content-Type': type, 'Content-Length': bytes.length })
    res.end(req.method === 'HEAD' ? undefined : bytes)
  }
}
