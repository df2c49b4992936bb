import type { IncomingMessage, ServerResponse } from 'node:http'
import { invalidField, type Logger } from '@bitka/kernel'
import type { Tracing } from '@bitka/telemetry'
import { type Asset, docsAsset } from '../openapi/docs.ts'
import { methodNotAllowed, Refusal, toAnswer } from '../rest/errors.ts'
import { handleRest, type RestOptions } from '../rest/handler.ts'
import { allowed } from '../rest/router.ts'
import { STREAM_PATH } from '../stream/path.ts'
import type { ConnectDialect } from './connect.ts'
import { Exchange } from './exchange.ts'
import { answerOptions, commonHeaders, DOCS_CSP } from './headers.ts'
import type { ReadinessCheck } from './health.ts'
import type { GatewayMetrics } from './metrics.ts'

export type AppOptions = {
  rest: RestOptions
  connect: ConnectDialect
  readiness: ReadinessCheck
  /** openapi.json, as text. */
  openApi: string
  log: Logger
  metrics: GatewayMetrics
  tracing: Tracing
}

/** Every HTTP request enters here: which dialect is it, and what became of it. */
export class App {
  private draining = false

  constructor(private readonly options: AppOptions) {}

  /** From now on connections end with their request, and health checks say no. */
  drain(): void {
    this.draining = true
  }

  readonly handle = (req: IncomingMessage, res: ServerResponse): void => {
    const exchange = new Exchange(req, res, this.options.log, this.options.tracing)
    exchange.setHeaders(commonHeaders(req.headers.origin, this.options.rest.headers))
    if (this.draining) exchange.setHeaders({ Connection: 'close' })
    res.once('close', () => this.ended(exchange))
    this.route(exchange).catch((error: unknown) => exchange.sendError(toAnswer(error, exchange.log)))
  }

  private async route(exchange: Exchange): Promise<void> {
    const { connect, rest } = this.options
    const { path, req, res } = exchange
    // RFC 9112, 3.2.
    if (req.httpVersion === '1.1' && req.headers.host === undefined) throw invalidField('Host', 'is missing')
    if (connect.has(path)) {
      if (req.method === 'OPTIONS') answerOptions(req, res, rest.headers, ['OPTIONS', 'POST'])
      else if (req.method !== 'POST') throw methodNotAllowed(['OPTIONS', 'POST'])
      else await connect.handle(exchange)
      return
    }
    const own = this.ownAnswer(path)
    if (!own) return await handleRest(exchange, rest)
    exchange.route = own.route
    if (req.method === 'OPTIONS') answerOptions(req, res, rest.headers, allowed(['GET']))
    else if (req.method !== 'GET' && req.method !== 'HEAD') throw methodNotAllowed(allowed(['GET']))
    else await own.answer(exchange)
  }

  /** What the gateway answers itself. */
  private ownAnswer(path: string): { route: string; answer: (exchange: Exchange) => Promise<void> } | undefined {
    switch (path) {
      case '/healthz':
        return {
          route: 'healthz',
          answer: async (exchange) =>
            exchange.sendJson(this.draining ? 503 : 200, { status: this.draining ? 'stopping' : 'ok' }),
        }
      case '/readyz':
        return { route: 'readyz', answer: (exchange) => this.answerReady(exchange) }
      case '/openapi.json':
        return { route: 'openapi', answer: (exchange) => this.answerOpenApi(exchange) }
      case STREAM_PATH:
        return { route: 'stream', answer: () => Promise.reject(upgradeNeeded()) }
    }
    const read = docsAsset(path)
    return read && { route: 'docs', answer: (exchange) => this.answerDocs(exchange, read) }
  }

  private async answerReady(exchange: Exchange): Promise<void> {
    const { ready, dependencies } = await this.options.readiness.check()
    const ok = ready && !this.draining
    const status = ok ? 'ready' : this.draining ? 'stopping' : 'unavailable'
    exchange.sendJson(ok ? 200 : 503, { status, dependencies: dependencies.map((one) => ({ ...one })) })
  }

  private async answerOpenApi(exchange: Exchange): Promise<void> {
    await this.options.rest.gatekeeper.admitStranger(exchange.req)
    exchange.setHeaders({ 'Cache-Control': 'public, max-age=300' })
    exchange.send(200, 'application/json; charset=utf-8', this.options.openApi)
  }

  private async answerDocs(exchange: Exchange, read: () => Promise<Asset>): Promise<void> {
    await this.options.rest.gatekeeper.admitStranger(exchange.req)
    const asset = await read()
    exchange.setHeaders({ 'Content-Security-Policy': DOCS_CSP, 'Cache-Control': 'public, max-age=3600' })
    exchange.send(200, asset.type, asset.body)
  }

  private ended({ req, res, route, userId, startedMs, log, ids, span }: Exchange): void {
    const tookMs = performance.now() - startedMs
    // Nothing was sent: the client left before its answer.
    const status = res.headersSent ? res.statusCode : 499
    this.options.metrics.request(route, req.method ?? '', status, tookMs)
    const verb = req.method ?? ''
    span.set({ 'http.response.status_code': status, request_id: ids.requestId, route }, `${verb} ${route}`)
    span.end(status >= 500 ? status : undefined)
    log.info({ http_method: req.method, route, status, user_id: userId, took_ms: Math.round(tookMs) }, 'request')
  }
}

const upgradeNeeded = (): Refusal =>
  new Refusal(
    {
      status: 400,
      code: 'INVALID_INPUT',
      message: 'This address takes WebSocket connections only.',
      headers: { Upgrade: 'websocket' },
    },
    'invalid',
  )
