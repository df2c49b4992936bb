import type { Logger } from './log.ts'

export type LoopOptions = {
  /** For logs and metrics, e.g. "order.sweeper". */
  name: string
  /** Pause between two runs, in milliseconds, unless woken. */
  intervalMs: number
  log: Logger
  /** Called after each run; for metrics. */
  onRun?: (outcome: 'ok' | 'error', tookMs: number) => void
}

/**
 * A background task that never overlaps itself, can be woken early, and stops cleanly: `stop()` resolves after the run in
 * progress has ended. A run that throws is logged and tried again after the interval.
 */
export class Loop {
  private stopping = false
  private woken = false
  private wakeUp: (() => void) | undefined
  private readonly done: Promise<void>

  /** `run` answers true to be run again at once (there is more to do). */
  constructor(
    private readonly options: LoopOptions,
    private readonly run: (signal: AbortSignal) => Promise<boolean | void>,
  ) {
    this.done = this.cycle()
  }

  private readonly controller = new AbortController()

  wake(): void {
    this.woken = true
    this.wakeUp?.()
  }

  async stop(): Promise<void> {
    this.stopping = true
    this.controller.abort()
    this.wakeUp?.()
    await this.done
  }

  private async cycle(): Promise<void> {
    // Let the constructor finish before the first run.
    await Promise.resolve()
    while (!this.stopping) {
      this.woken = false
      const startedMs = performance.now()
      let more: boolean | void = false
      try {
        more = await this.run(this.controller.signal)
        this.options.onRun?.('ok', performance.now() - startedMs)
      } catch (error) {
        this.options.onRun?.('error', performance.now() - startedMs)
        if (!this.stopping) this.options.log.error({ err: error, loop: this.options.name }, 'background run failed')
      }
      if (more === true) {
        // Yield, or a loop with endless work would starve everything else in the process.
        await new Promise((resolve) => setImmediate(resolve))
      } else if (!this.woken && !this.stopping) await this.pause()
    }
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(finish, this.options.intervalMs)
      const wakeUp = finish
      function finish(): void {
        clearTimeout(timer)
        resolve()
      }
      this.wakeUp = wakeUp
    })
  }
}
