import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

type Said = { op: string; id: number; channel?: string; symbol?: string; since_fill_id?: string; token?: string }

/** A real WebSocket server that a test drives by hand; `said` is what clients have said, over all connections. */
export class FakeStream {
  readonly said: Said[] = []
  readonly sockets: WebSocket[] = []
  /** What to answer instead of yes. */
  refuse: (said: Said) => { code: string; message: string } | undefined = () => undefined
  /** What follows a subscribe at once. */
  onSubscribe: (said: Said) => object[] = () => []

  private constructor(private readonly server: WebSocketServer) {
    server.on('connection', (socket) => {
      this.sockets.push(socket)
      socket.on('message', (data) => this.onMessage(socket, JSON.parse(data.toString())))
    })
  }

  static async start(): Promise<FakeStream> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await once(server, 'listening')
    return new FakeStream(server)
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** Sends a frame to the newest connection. */
  send(frame: object): void {
    this.sockets.at(-1)?.send(JSON.stringify(frame))
  }

  drop(): void {
    this.sockets.at(-1)?.terminate()
  }

  ops(): string[] {
    return this.said.map(({ op, channel, since_fill_id }) => [op, channel, since_fill_id].filter(Boolean).join(' '))
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.terminate()
    await new Promise((resolve) => this.server.close(resolve))
  }

  private onMessage(socket: WebSocket, said: Said): void {
    this.said.push(said)
    const { op, id, channel, symbol } = said
    const refusal = this.refuse(said)
    if (refusal) {
      socket.send(JSON.stringify({ type: 'error', id, ...refusal }))
      return
    }
    const type = { subscribe: 'subscribed', unsubscribe: 'unsubscribed', auth: 'authenticated', ping: 'pong' }[op]
    socket.send(JSON.stringify({ type, id, channel, symbol }))
    if (op === 'subscribe') for (const frame of this.onSubscribe(said)) socket.send(JSON.stringify(frame))
  }
}
