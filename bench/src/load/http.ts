import { Agent, request } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'

export type HttpAnswer = { status: number; body: string }

/**
 * Requests over a fixed number of keep-alive connections. Not the typed client: it shares the processors with what is
 * measured, so it does as little as an HTTP client can, and it never repeats anything.
 */
export class HttpLoad {
  private readonly agent: Agent
  private readonly request: typeof request
  private readonly host: string
  private readonly port: string

  constructor(url: string, connections: number) {
    const { hostname, port, protocol } = new URL(url)
    this.host = hostname
    this.port = port
    const options = { keepAlive: true, maxSockets: connections, scheduling: 'fifo' } as const
    const isTls = protocol === 'https:'
    this.agent = isTls ? new TlsAgent(options) : new Agent(options)
    this.request = isTls ? tlsRequest : request
  }

  post(path: string, token: string, key: string, body: object): Promise<HttpAnswer> {
    const payload = JSON.stringify(body)
    return new Promise((resolve, reject) => {
      const outgoing = this.request(
        {
          agent: this.agent,
          host: this.host,
          port: this.port,
          path,
          method: 'POST',
          timeout: 30_000,
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(payload),
            'idempotency-key': key,
          },
        },
        (incoming) => {
          let text = ''
          incoming.setEncoding('utf8')
          incoming.on('data', (chunk: string) => {
            text += chunk
          })
          incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body: text }))
          incoming.on('error', reject)
        },
      )
      outgoing.on('error', reject)
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer to POST ${path} in 30 s`)))
      outgoing.end(payload)
    })
  }

  close(): void {
    this.agent.destroy()
  }
}
