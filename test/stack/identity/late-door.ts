import { createServer, type Server, type Socket, connect as tcpConnect } from 'node:net'
import { freePort } from '@bitka/testkit'

/** A port at which nobody is, until it is opened to somewhere else. */
export class LateDoor {
  private server: Server | undefined
  private readonly sockets = new Set<Socket>()

  private constructor(readonly port: number) {}

  static async reserve(): Promise<LateDoor> {
    return new LateDoor(await freePort())
  }

  /** From now on whoever connects here speaks to `target`. */
  async open(target: number): Promise<void> {
    const server = createServer((socket) => {
      const other = tcpConnect({ host: '127.0.0.1', port: target })
      for (const [from, to] of [
        [socket, other],
        [other, socket],
      ] as const) {
        this.sockets.add(from)
        from.pipe(to)
        from.on('error', () => to.destroy()).once('close', () => to.destroy())
      }
    })
    this.server = server
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(this.port, 'localhost', resolve))
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy()
    this.server?.close()
  }
}
