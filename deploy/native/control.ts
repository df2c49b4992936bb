import { chmodSync, rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { Logger } from '@bitka/kernel'
import type { SupervisedProcess } from '@bitka/supervisor'

/** What can be asked of a running stack. */
export type Controls = {
  processes(): SupervisedProcess[]
  /** Ends a program in order, until it is started again. Answers its exit code; null: it had to be killed. */
  stop(name: string): Promise<number | null>
  /** Starts a program that was stopped, or the second replica of a service: "order-2". */
  start(name: string): Promise<void>
}

/** Serves the controls on a Unix socket that only our account may open. */
export async function serveControls(
  socket: string,
  controls: Controls,
  log: Logger,
): Promise<{ close(): Promise<void> }> {
  const answer = async (path: string): Promise<unknown> => {
    const [, verb, name = ''] = path.split('/')
    if (verb === 'processes') return controls.processes()
    if (verb === 'stop') return { code: await controls.stop(name) }
    if (verb !== 'start') throw new Error(`no such control: ${path}`)
    await controls.start(name)
    return {}
  }
  const server = createServer((req, res) => {
    answer(req.url ?? '').then(
      (body) => res.end(JSON.stringify(body)),
      (error: unknown) => {
        log.warn({ err: error, path: req.url }, 'a control failed')
        res.writeHead(500).end(JSON.stringify({ error: String(error) }))
      },
    )
  })
  rmSync(socket, { force: true })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(socket, resolve))
  chmodSync(socket, 0o600)
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** The same controls from another process. */
export function connectControls(socketPath: string): Omit<Controls, 'processes'> & {
  processes(): Promise<SupervisedProcess[]>
} {
  const ask = <T>(path: string): Promise<T> =>
    new Promise((resolve, reject) => {
      request({ socketPath, path }, (res) => {
        let text = ''
        res.on('data', (chunk: Buffer) => {
          text += chunk.toString()
        })
        res.on('end', () => {
          if (res.statusCode === 200) resolve(JSON.parse(text) as T)
          else reject(new Error(text))
        })
      })
        .once('error', reject)
        .end()
    })
  return {
    processes: () => ask('/processes'),
    stop: async (name) => (await ask<{ code: number | null }>(`/stop/${name}`)).code,
    start: async (name) => {
      await ask(`/start/${name}`)
    },
  }
}
