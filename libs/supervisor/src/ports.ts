import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { ConfigError } from '@bitka/kernel'

/** Below the ports that systems give to outgoing connections, which would take a port between two of our starts. */
const PORT_MIN = 20_000
const PORT_MAX = 32_000
const TRIES = 50

/** Free ports on loopback, all different. Another program may still take one before we do; the start then says so. */
export async function freePorts(count: number): Promise<number[]> {
  const held: Server[] = []
  const ports: number[] = []
  try {
    for (let tries = count + TRIES; ports.length < count; tries -= 1) {
      if (tries === 0) throw new Error('there are no free ports on 127.0.0.1')
      const port = randomInt(PORT_MIN, PORT_MAX)
      const server = await hold(port)
      if (!server) continue
      held.push(server)
      ports.push(port)
    }
    return ports
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))))
  }
}

/** @throws ConfigError in plain words when another program has the port */
export async function assertFree(host: string, port: number): Promise<void> {
  const server = await hold(port, host)
  if (!server) {
    throw new ConfigError(
      `port ${port} on ${host} is in use by another program: stop it, or set BITKA_HTTP_PORT to another`,
    )
  }
  await new Promise((resolve) => server.close(resolve))
}

/** Undefined when somebody has the port. */
async function hold(port: number, host = '127.0.0.1'): Promise<Server | undefined> {
  const server = createServer()
  server.listen(port, host)
  try {
    await once(server, 'listening')
    return server
  } catch {
    return undefined
  }
}
