import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import {
  createSecureServer as createH2SecureServer,
  createServer as createH2Server,
  type Http2SecureServer,
  type Http2Server,
  type ServerHttp2Session,
} from 'node:http2'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContextOptions, TLSSocket, TlsOptions } from 'node:tls'
import { type CountRefusal, type IdentityMaterial, type WorkloadIdentity, watchHandshakes } from '@bitka/mesh'
import { type GatewayConfig, hasTls } from '../config.ts'
import { isFrontProxy } from './address.ts'
import { Incoming } from './incoming.ts'

export type Handlers = {
  request: (req: IncomingMessage, res: ServerResponse) => void
  upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** What could not be read as a request. */
  broken: (error: Error & { code?: string }, socket: Duplex) => void
  /** Who came where only the front proxy may come. */
  refused: CountRefusal
}

export type Listeners = {
  /** The port for HTTP/1.1. */
  port: number
  /** The port for HTTP/2, when there is one. */
  grpcPort?: number
  /** Takes no new requests, lets those under way end, and after `graceMs` ends them. */
  close(graceMs: number): Promise<void>
}

/** Head of a request: the usual limit of proxies. */
const HEADER_BYTES_MAX = 16_384
/** Longer than a front proxy keeps its side (4 s), so that it never sends into a connection that we close. */
const KEEP_ALIVE_MS = 5_000
/** How often Node looks for requests that are too slow. */
const CHECK_MS = 1_000
const H2_STREAMS_MAX = 100

/** Opens the gateway's ports. */
export async function openListeners(
  config: GatewayConfig,
  identity: WorkloadIdentity,
  handlers: Handlers,
): Promise<Listeners> {
  const tls = hasTls(config) ? new TlsSource(config, identity) : undefined
  const main = openHttp1(config, tls, handlers)
  const port = await listen(main, config.BITKA_HTTP_HOST, config.BITKA_HTTP_PORT)
  const h2 = config.BITKA_GRPC_PORT === undefined ? undefined : openHttp2(config, tls, handlers)
  const grpcPort = h2 && (await listen(h2.server, config.BITKA_HTTP_HOST, config.BITKA_GRPC_PORT ?? 0))
  return {
    port,
    grpcPort,
    close: async (graceMs) => {
      await Promise.all([closeHttp1(main, graceMs), h2?.close(graceMs)])
      tls?.close()
    },
  }
}

function openHttp1(
  config: GatewayConfig,
  tls: TlsSource | undefined,
  { request, upgrade, broken, refused }: Handlers,
): Server | TlsServer {
  const headersTimeout = config.BITKA_HEADERS_TIMEOUT_MS
  const options: ServerOptions<typeof Incoming> = {
    IncomingMessage: Incoming,
    // Answered by us, in the envelope.
    requireHostHeader: false,
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout,
    // The body has a timeout of its own, which answers in the envelope; this one ends what got past it.
    requestTimeout: headersTimeout + config.BITKA_BODY_TIMEOUT_MS + CHECK_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: Math.min(CHECK_MS, headersTimeout),
  }
  const server = tls ? createTlsServer({ ...options, ...tls.options() }, request) : createServer(options, request)
  if (tls && 'setSecureContext' in server) {
    tls.follow((context) => server.setSecureContext(context))
    tls.guard(server, refused)
  }
  server.maxConnections = config.BITKA_CONNECTIONS
  server.on('upgrade', upgrade)
  server.on('clientError', broken)
  // Any expectation but 100-continue may be ignored (RFC 9110, 10.1.1); Node would refuse it without an envelope.
  server.on('checkExpectation', request)
  return server
}

function openHttp2(
  config: GatewayConfig,
  tls: TlsSource | undefined,
  { request, refused }: Handlers,
): { server: Http2Server | Http2SecureServer; close: (graceMs: number) => Promise<void> } {
  const settings = { maxConcurrentStreams: H2_STREAMS_MAX, maxHeaderListSize: HEADER_BYTES_MAX }
  const options = { settings, maxSessionMemory: 10 }
  const server = tls ? createH2SecureServer({ ...options, ...tls.options() }) : createH2Server(options)
  if (tls && 'setSecureContext' in server) {
    tls.follow((context) => server.setSecureContext(context))
    tls.guard(server, refused)
  }
  server.maxConnections = config.BITKA_CONNECTIONS
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session: ServerHttp2Session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    session.on('error', () => {})
  })
  server.on('request', (req, res) => {
    const timer = setTimeout(() => req.stream.close(), config.BITKA_BODY_TIMEOUT_MS)
    const stop = (): void => clearTimeout(timer)
    req.once('end', stop).once('close', stop)
    // Node's HTTP/2 has the same surface for what the gateway uses of it.
    request(req as unknown as IncomingMessage, res as unknown as ServerResponse)
  })
  const close = async (graceMs: number): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const session of sessions) session.close()
    const timer = setTimeout(() => {
      for (const session of sessions) session.destroy()
    }, graceMs)
    await closed
    clearTimeout(timer)
  }
  return { server, close }
}

async function closeHttp1(server: Server | TlsServer, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  // A connection whose last request has just ended is idle now and was not a moment ago.
  const idle = setInterval(() => server.closeIdleConnections(), 50)
  const timer = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearInterval(idle)
  clearTimeout(timer)
}

const listen = (server: Server | Http2Server | Http2SecureServer, host: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })

/** The certificate of the listeners, and whose client certificates count: those of the mesh. */
class TlsSource {
  private readonly ends: (() => void)[] = []

  constructor(
    private readonly config: GatewayConfig,
    private readonly identity: WorkloadIdentity,
  ) {}

  options(): TlsOptions {
    // A browser has no certificate of the mesh and need not have one. Behind the front proxy nobody but it has business here.
    const rejectUnauthorized = this.config.BITKA_TLS_IDENTITY
    return { ...this.context(this.identity.current()), requestCert: true, rejectUnauthorized }
  }

  /** Ends connections of others than the front proxy, where only that one may come. */
  guard(server: TlsServer | Http2SecureServer, refused: CountRefusal): void {
    if (!this.config.BITKA_TLS_IDENTITY) return
    watchHandshakes(server, refused)
    server.on('secureConnection', (socket: TLSSocket) => {
      if (isFrontProxy(socket, () => this.identity.current().trustDomain)) return
      refused('not_permitted')
      socket.destroy()
    })
  }

  /** Calls with new material each time the identity changes. */
  follow(set: (context: SecureContextOptions) => void): void {
    this.ends.push(this.identity.onUpdate((material) => set(this.context(material))))
  }

  close(): void {
    for (const end of this.ends) end()
  }

  private context(material: IdentityMaterial): SecureContextOptions {
    const { BITKA_TLS_CERT: cert, BITKA_TLS_KEY: key } = this.config
    const own = cert !== undefined && key !== undefined
    return {
      ca: material.bundlePem,
      cert: own ? cert : material.certificatePem,
      key: own ? key : material.privateKeyPem,
      minVersion: 'TLSv1.3',
    }
  }
}
