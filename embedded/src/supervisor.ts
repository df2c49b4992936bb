import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from '@bitka/kernel'
import type { ServiceEnv } from '@bitka/service'

/** Pauses before a restart double up to the maximum; a process that ran for a while begins again at the minimum. */
const RESTART_MS_MIN = 100
const RESTART_MS_MAX = 5_000
const STEADY_MS = 10_000
/** A service that has not ended by itself after this is killed. */
const STOP_TIMEOUT_MS = 20_000

export type SupervisedProcess = {
  readonly name: string
  /** Undefined between a death and the restart. */
  readonly pid: number | undefined
  readonly restarts: number
}

type Program = { name: string; file: string; env: ServiceEnv }

/** Runs programs and restarts what dies. Their output goes into log files, one a program. */
export class Supervisor {
  private readonly children = new Map<string, Child>()

  constructor(
    private readonly folder: string,
    private readonly log: Logger,
  ) {
    mkdirSync(join(folder, 'log'), { recursive: true, mode: 0o700 })
    this.endLeftovers()
  }

  run(program: Program): void {
    this.children.set(program.name, new Child(program, this.folder, this.log))
  }

  processes(): SupervisedProcess[] {
    return [...this.children.values()].map(({ name, pid, restarts }) => ({ name, pid, restarts }))
  }

  /** Ends one program for good: SIGTERM, then SIGKILL. Answers its exit code, or null when it had to be killed. */
  async stop(name: string): Promise<number | null> {
    return (await this.children.get(name)?.stop()) ?? null
  }

  /** A supervisor that was killed leaves its children; they end by themselves when they notice, and here at the latest. */
  private endLeftovers(): void {
    const file = join(this.folder, 'processes')
    if (!existsSync(file)) return
    for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
      const [pidText, program = ''] = line.split(' ')
      const pid = Number(pidText)
      const cmdline = `/proc/${pid}/cmdline`
      if (existsSync(cmdline) && readFileSync(cmdline, 'utf8').includes(program)) process.kill(pid, 'SIGKILL')
    }
    rmSync(file)
  }
}

class Child {
  restarts = 0
  private process: ChildProcess | undefined
  private stopping = false
  private pauseMs = RESTART_MS_MIN
  private timer: NodeJS.Timeout | undefined
  private ended: Promise<number | null> = Promise.resolve(null)

  constructor(
    private readonly program: Program,
    private readonly folder: string,
    private readonly log: Logger,
  ) {
    this.start()
  }

  get name(): string {
    return this.program.name
  }

  get pid(): number | undefined {
    return this.process?.pid
  }

  async stop(): Promise<number | null> {
    this.stopping = true
    clearTimeout(this.timer)
    const child = this.process
    if (!child) return 0
    child.kill('SIGTERM')
    const killer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    const code = await this.ended
    clearTimeout(killer)
    return code
  }

  private start(): void {
    const { name, file, env } = this.program
    const output = openSync(join(this.folder, 'log', `${name}.log`), 'a', 0o600)
    const startedMs = Date.now()
    // A group of its own, so that Ctrl-C reaches only us and we stop things in order; the channel tells it when we are gone.
    const child = spawn(process.execPath, ['--tls-min-v1.3', '--enable-source-maps', file], {
      env: {
        PATH: process.env.PATH,
        NODE_ENV: process.env.NODE_ENV,
        BITKA_CRASH_POINT_FILE: process.env.BITKA_CRASH_POINT_FILE,
        ...env,
      },
      stdio: ['ignore', output, output, 'ipc'],
      detached: true,
    })
    this.process = child
    if (child.pid !== undefined)
      appendFileSync(join(this.folder, 'processes'), `${child.pid} ${file}\n`, { mode: 0o600 })
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.process = undefined
        resolve(code)
        if (this.stopping) return
        this.log.error({ program: name, code, signal }, 'a service ended and is restarted')
        this.restartLater(Date.now() - startedMs)
      })
      child.once('error', (error) => {
        this.log.error({ err: error, program: name }, 'a service could not be started')
      })
    })
  }

  private restartLater(ranMs: number): void {
    this.pauseMs = ranMs > STEADY_MS ? RESTART_MS_MIN : Math.min(this.pauseMs * 2, RESTART_MS_MAX)
    this.restarts += 1
    this.timer = setTimeout(() => this.start(), this.pauseMs)
  }
}
