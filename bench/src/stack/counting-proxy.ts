import { connect, createServer, type Socket } from 'node:net'

/** Hands on TCP connections to a local port and counts the bytes that pass, of both directions. */
export type CountingProxy = { port: number; bytes(): number; close(): void }

export async function countingProxy(target: number): Promise<CountingProxy> {
  let count = 0
  const open = new Set<Socket>()
  const server = createServer((incoming) => {
    const outgoing = connect(target, '127.0.0.1')
    for (const [from, to] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      open.add(from)
      from.setNoDelay(true)
      from.on('data', (chunk: Buffer) => {
        count += chunk.length
      })
      from.pipe(to)
      from.once('error', () => to.destroy())
      from.once('close', () => open.delete(from))
    }
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('a TCP server has a port')
  return {
    port: address.port,
    bytes: () => count,
    close: () => {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}
