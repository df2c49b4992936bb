import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readlinkSync } from 'node:fs'
import { connect } from 'node:net'
import type { RunningStack } from '@bitka/deploy/native'
import { serviceTable } from '@bitka/deploy/table'
import { freePorts } from '@bitka/supervisor'

/** What a probe says; undefined while nobody listens. */
export type Probe = { status: number; text: string } | undefined

/** One more process of a service of the running stack, with an environment of its own, on ports of its own. */
export class LoneService {
  readonly lines: Record<string, unknown>[] = []
  private stderr = ''

  private constructor(
    private readonly child: ChildProcess,
    readonly rpcPort: number,
    readonly metricsPort: number,
  ) {
    let pending = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      const parts = `${pending}${chunk.toString()}`.split('\n')
      pending = parts.pop() ?? ''
      for (const part of parts) this.lines.push(JSON.parse(part) as Record<string, unknown>)
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
    })
  }

  /** Starts it as the stack started its own: same program, same account, same environment but for what `change` changes. */
  static async start(
    stack: RunningStack,
    name: string,
    change: (env: Record<string, string>) => Record<string, string>,
  ): Promise<LoneService> {
    const pid = await stack.pid(name)
    const zeroEnded = (file: string) => readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0').filter(Boolean)
    const [command = '', ...args] = zeroEnded('cmdline')
    const env = Object.fromEntries(
      zeroEnded('environ').map((pair) => [pair.split('=')[0], pair.replace(/^[^=]*=/, '')]),
    )
    // The channel of its keeper is not ours.
    delete env.NODE_CHANNEL_FD
    const [rpcPort = 0, metricsPort = 0] = await freePorts(2)
    const uid = process.getuid?.() === 0 ? serviceTable.find((row) => row.name === name)?.uid : undefined
    const child = spawn(command, args, {
      cwd: readlinkSync(`/proc/${pid}/cwd`),
      env: change({ ...env, BITKA_RPC_PORT: String(rpcPort), BITKA_METRICS_PORT: String(metricsPort) }),
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(uid !== undefined && { uid, gid: uid }),
    })
    return new LoneService(child, rpcPort, metricsPort)
  }

  async probe(path: '/livez' | '/readyz' = '/readyz'): Promise<Probe> {
    if (this.child.exitCode !== null) throw new Error(`the process ended with ${this.child.exitCode}: ${this.stderr}`)
    try {
      const response = await fetch(`http://127.0.0.1:${this.metricsPort}${path}`)
      return { status: response.status, text: await response.text() }
    } catch {
      return undefined
    }
  }

  /** Whether anybody answers at its gRPC port. */
  takesCalls(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port: this.rpcPort }, () => {
        socket.destroy()
        resolve(true)
      }).once('error', () => resolve(false))
    })
  }

  /** What the log says that the start waits for. */
  waitsFor(): unknown[] {
    return this.lines.filter(({ msg }) => msg === 'the start waits').map((line) => line.waiting_for)
  }

  /** Ends it in order; answers the exit code. */
  async stop(): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode
    this.child.kill('SIGTERM')
    await once(this.child, 'exit')
    return this.child.exitCode
  }
}
