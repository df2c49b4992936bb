import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { repositoryFolder } from '@bitka/service'
import { freePort } from '../free-port.ts'
import { waitFor } from '../wait.ts'

export type ExchangeProcessOptions = {
  dataDir: string
  /** One process for all services, or one each. */
  processes: 'one' | 'each'
  operatorPassword: string
  env?: Readonly<Record<string, string>>
}

/** `make up` as a real process with real children, as a person or a machine would kill them. */
export class ExchangeProcess {
  private child: ChildProcess | undefined
  private output = ''
  private port = 0

  constructor(readonly options: ExchangeProcessOptions) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** What it has printed since its last start. */
  get printed(): string {
    return this.output
  }

  get pid(): number | undefined {
    return this.child?.pid
  }

  /** Starts it, or brings it back after it was killed; resolves when it says that it is ready. */
  async start(timeoutMs = 90_000): Promise<void> {
    const { dataDir, processes, operatorPassword, env } = this.options
    this.port ||= await freePort()
    this.output = ''
    const child = spawn(
      process.execPath,
      ['--tls-min-v1.3', '--enable-source-maps', join(repositoryFolder('dist'), 'embedded.mjs')],
      {
        env: {
          PATH: process.env.PATH,
          BITKA_DATA_DIR: dataDir,
          BITKA_HTTP_PORT: String(this.port),
          BITKA_PROCESSES: processes,
          BITKA_OPERATOR_PASSWORD: operatorPassword,
          BITKA_RATE_LIMIT_SCALE: '0',
          BITKA_CRASH_POINT_FILE: this.crashFile,
          ...env,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    this.child = child
    const log = createWriteStream(join(dataDir, '..', 'exchange.out'), { flags: 'a' })
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString()
        log.write(chunk)
      })
    }
    await waitFor(
      () => {
        if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${this.output}`)
        return this.output.includes(`BitKa is ready at ${this.url}`)
      },
      { timeoutMs, what: 'the exchange to be ready' },
    )
  }

  /** Resolves when everything it needs answers again. */
  async ready(timeoutMs = 60_000): Promise<void> {
    await waitFor(async () => (await fetch(`${this.url}/readyz`)).ok, { timeoutMs, what: '/readyz' })
  }

  /** The process of one service now; with one process for all, that one. */
  async pidOf(service: string): Promise<number> {
    if (this.options.processes === 'one') {
      if (this.pid === undefined) throw new Error('the exchange does not run')
      return this.pid
    }
    const lines = (await readFile(join(this.options.dataDir, 'processes'), 'utf8')).trim().split('\n')
    const line = lines.findLast((candidate) => candidate.endsWith(`/${service}.mjs`))
    if (line === undefined) throw new Error(`${service} has no process`)
    return Number(line.split(' ')[0])
  }

  /** PostgreSQL's own process now. */
  async postgresPid(): Promise<number> {
    const file = join(this.options.dataDir, 'postgres', 'data', 'postmaster.pid')
    // The file is away, and then empty for a moment, while PostgreSQL starts again.
    return waitFor(async () => Number((await readFile(file, 'utf8')).split('\n')[0]), {
      what: 'a process of PostgreSQL',
    })
  }

  /** SIGKILL, as the kernel or an impatient operator would. Answers false when it was dead already. */
  async kill(target: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<boolean> {
    const pid = target === 'postgres' ? await this.postgresPid() : await this.pidOf(target)
    try {
      process.kill(pid, signal)
      return true
    } catch {
      return false
    }
  }

  /** Kills the exchange's own process, and waits for its end. Its children notice by themselves. */
  async killAll(): Promise<void> {
    const { child } = this
    if (!child) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }

  /** Arms a named crash point; the first process to pass it dies there. */
  async armCrashPoint(name: string): Promise<void> {
    await rm(`${this.crashFile}.hit`, { force: true })
    await writeFile(this.crashFile, name)
  }

  /** True once a process has died at this point. */
  async crashPointHit(name: string): Promise<boolean> {
    return (await readFile(`${this.crashFile}.hit`, 'utf8').catch(() => undefined)) === name
  }

  /** SIGTERM; answers the exit code. */
  async stop(): Promise<number | null> {
    const { child } = this
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? 0
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    return ended
  }

  private get crashFile(): string {
    return join(this.options.dataDir, 'crash-point')
  }
}
