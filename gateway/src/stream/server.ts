import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { DomainError, type Logger } from '@bitka/kernel'
import { type WebSocket, WebSocketServer } from 'ws'
import { refuseOnSocket } from '../edge/broken.ts'
import { targetOf } from '../edge/exchange.ts'
import type { Gatekeeper } from '../edge/gatekeeper.ts'
import { type HeaderOptions, mayConnect } from '../edge/headers.ts'
import type { StreamSlots } from '../edge/slots.ts'
import { requestIdOf } from '../edge/trace.ts'
import { Refusal, toAnswer } from '../rest/errors.ts'
import { Connection, type ConnectionOptions } from './connection.ts'

/** The largest message a client may send; the longest holds an access token of under 1 KiB. */
const FRAME_BYTES_MAX = 4_096
/** Going away (RFC 6455). */
const CLOSE_GOING_AWAY = 1001
const CLOSE_WAIT_MS = 1_000

export type StreamServerOptions = {
  gatekeeper: Gatekeeper
  slots: StreamSlots
  headers: HeaderOptions
  connection: Omit<ConnectionOptions, 'onDropped'>
  pingMs: number
  log: Logger
  /** For metrics: how many are open, and when one was dropped for being slow. */
  onCount: (open: number) => void
  onDropped: () => void
}

/** Opens WebSockets, keeps them alive and closes them all at the end. */
export class StreamServer {
  private readonly server = new WebSocketServer({
    noServer: true,
    maxPayload: FRAME_BYTES_MAX,
    // Compression would keep a window of memory for each reader and encode each frame for each of them.
    perMessageDeflate: false,
    clientTracking: false,
  })
  private readonly open = new Map<WebSocket, { connection: Connection; alive: boolean }>()
  private readonly heartbeat: NodeJS.Timeout
  private closing = false

  constructor(private readonly options: StreamServerOptions) {
    this.server.on('wsClientError', (error, socket, req) => {
      this.refuse(req, socket, new DomainError('invalid', `The handshake is not valid: ${error.message}.`))
    })
    this.heartbeat = setInterval(() => this.beat(), options.pingMs)
    this.heartbeat.unref()
  }

  /** The handler of a server's `upgrade` event. */
  readonly upgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy())
    this.admit(req).then(
      (release) => {
        socket.once('close', release)
        if (socket.destroyed) release()
        // Nobody would say goodbye to a connection that comes after the others were closed.
        else if (this.closing) socket.destroy()
        else this.server.handleUpgrade(req, socket, head, (webSocket) => this.accept(req, webSocket))
      },
      (error) => this.refuse(req, socket, error),
    )
  }

  /** Says goodbye to all and ends. */
  async close(): Promise<void> {
    this.closing = true
    clearInterval(this.heartbeat)
    const sockets = [...this.open.keys()]
    const closed = sockets.map((socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())))
    for (const [socket, { connection }] of this.open) {
      connection.end()
      socket.close(CLOSE_GOING_AWAY, 'going away')
    }
    const timer = setTimeout(() => {
      for (const socket of sockets) socket.terminate()
    }, CLOSE_WAIT_MS)
    await Promise.all(closed)
    clearTimeout(timer)
  }

  private async admit(req: IncomingMessage): Promise<() => void> {
    const { gatekeeper, slots, headers } = this.options
    await gatekeeper.admitStranger(req)
    await gatekeeper.checkToken(req)
    if (targetOf(req).query !== '')
      throw new DomainError('invalid', 'This address takes no parameters: a token goes into an auth message.')
    if (this.closing) throw refusal(503, 'UNAVAILABLE', 'The gateway is going away.')
    if (!mayConnect(req, headers)) throw refusal(403, 'FORBIDDEN', 'Pages of this origin may not connect.')
    const release = slots.take(gatekeeper.addressOf(req))
    if (!release) throw refusal(429, 'RATE_LIMITED', 'Too many connections from this address.')
    return release
  }

  /** There is no response object before the upgrade. */
  private refuse(req: IncomingMessage, socket: Duplex, error: unknown): void {
    const { log, headers } = this.options
    const requestId = requestIdOf(req.headers)
    const place = { instance: targetOf(req).path, requestId, origin: req.headers.origin }
    refuseOnSocket(socket, toAnswer(error, log.child({ request_id: requestId })), place, headers)
  }

  private accept(req: IncomingMessage, socket: WebSocket): void {
    const { gatekeeper, log, onCount, onDropped, connection: shared } = this.options
    const requestId = requestIdOf(req.headers)
    const peer = { address: gatekeeper.addressOf(req), userAgent: req.headers['user-agent'] }
    const connection = new Connection(socket, peer, { ...shared, onDropped }, log.child({ request_id: requestId }))
    const entry = { connection, alive: true }
    this.open.set(socket, entry)
    onCount(this.open.size)
    socket.on('pong', () => {
      entry.alive = true
    })
    // A frame that is too large or broken closes the socket; there is nothing more to say about it.
    socket.on('error', () => {})
    socket.on('close', () => {
      connection.end()
      this.open.delete(socket)
      onCount(this.open.size)
    })
  }

  private beat(): void {
    for (const [socket, entry] of this.open) {
      if (!entry.alive) socket.terminate()
      else {
        entry.alive = false
        socket.ping()
      }
    }
  }
}

const refusal = (status: number, code: string, message: string): Refusal =>
  new Refusal({ status, code, message, headers: status === 403 ? {} : { 'Retry-After': '1' } }, 'unavailable')
