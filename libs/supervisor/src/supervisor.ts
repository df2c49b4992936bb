import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from '@bitka/kernel'

/** Pauses before a restart double up to the maximum; a process that ran for a while begins again at the minimum. */
const RESTART_MS_MIN = 100
const RESTART_MS_MAX = 5_000
const STEADY_MS = 10_000
/** A program that has not ended by itself after this is killed. */
const STOP_TIMEOUT_MS = 20_000

export type SupervisedProcess = {
  readonly name: string
  /** Undefined between a death and the restart, and when it was stopped. */
  readonly pid: number | undefined
  readonly restarts: number
}

export type Program = {
  name: string
  /** Absolute path, or a name on the PATH. */
  command: string
  args: readonly string[]
  /** All that it gets, beside the PATH. */
  env: Readonly<Record<string, string | undefined>>
  /** The account that it runs under; ours unless given. Needs root. */
  uid?: number
  cwd?: string
  /** false for programs that are not Node's: no channel tells them that we are gone, the next start ends them. */
  channel?: boolean
  /** Done before a stop that is asked for, while it still runs; what goes wrong here does not keep it from being stopped. */
  beforeStop?: () => Promise<unknown>
}

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

  /** Starts a program and keeps it running; one that was stopped is started again with what is given now. */
  run(program: Program): void {
    if (this.children.get(program.name)?.isRunning) throw new Error(`${program.name} runs already`)
    this.children.set(program.name, new Child(program, this.folder, this.log))
  }

  processes(): SupervisedProcess[] {
    return [...this.children.values()].map(({ name, pid, restarts }) => ({ name, pid, restarts }))
  }

  /** Where a program's output goes. */
  logFile(name: string): string {
    return logFileOf(this.folder, name)
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
      const [pidText = '', mark = ''] = line.split(' ', 2)
      const pid = Number(pidText)
      const cmdline = `/proc/${pid}/cmdline`
      if (existsSync(cmdline) && readFileSync(cmdline, 'utf8').includes(mark)) {
        try {
          process.kill(pid, 'SIGKILL')
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
        }
      }
    }
    rmSync(file)
  }
}

const logFileOf = (folder: string, name: string): string => join(folder, 'log', `${name}.log`)

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

  get isRunning(): boolean {
    return !this.stopping || this.process !== undefined
  }

  async stop(): Promise<number | null> {
    this.stopping = true
    clearTimeout(this.timer)
    if (this.process) await this.prepareStop()
    const child = this.process
    if (!child) return 0
    child.kill('SIGTERM')
    // A stopped (SIGSTOP) process hears SIGTERM only when it goes on.
    child.kill('SIGCONT')
    const killer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    const code = await this.ended
    clearTimeout(killer)
    return code
  }

  private async prepareStop(): Promise<void> {
    try {
      await this.program.beforeStop?.()
    } catch (error) {
      this.log.warn({ err: error, program: this.name }, 'a program could not be prepared for its end')
    }
  }

  private start(): void {
    const { name, command, args, env, uid, cwd, channel = true } = this.program
    const output = openSync(logFileOf(this.folder, name), 'a', 0o600)
    const startedMs = Date.now()
    // A group of its own, so that Ctrl-C reaches only us and we stop things in order; the channel tells it when we are gone.
    const child = spawn(command, args, {
      env: { PATH: process.env.PATH, NODE_ENV: process.env.NODE_ENV, ...env },
      stdio: channel ? ['ignore', output, output, 'ipc'] : ['ignore', output, output],
      detached: true,
      cwd,
      ...(uid !== undefined && { uid, gid: uid }),
    })
    closeSync(output)
    this.process = child
    if (child.pid !== undefined) {
      // The last argument tells the process from a stranger who gets the same number.
      const mark = args.at(-1) ?? command
      appendFileSync(join(this.folder, 'processes'), `${child.pid} ${mark}\n`, { mode: 0o600 })
    }
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        if (this.process !== child) return
        this.process = undefined
        resolve(code)
        if (this.stopping) return
        this.log.error({ program: name, code, signal }, 'a program ended and is restarted')
        this.restartLater(Date.now() - startedMs)
      }
      child.once('exit', end)
      child.once('error', (error) => {
        this.log.error({ err: error, program: name }, 'a program could not be started')
        if (child.pid === undefined) end(null, null)
      })
    })
  }

  private restartLater(ranMs: number): void {
    this.pauseMs = ranMs > STEADY_MS ? RESTART_MS_MIN : Math.min(this.pauseMs * 2, RESTART_MS_MAX)
    this.restarts += 1
    this.timer = setTimeout(() => this.start(), this.pauseMs)
  }
}
