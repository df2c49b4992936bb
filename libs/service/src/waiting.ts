import { setTimeout as pause } from 'node:timers/promises'
import { DomainError, type Logger } from '@bitka/kernel'
import type { Health } from './types.ts'

const PAUSE_MS_MIN = 100
const PAUSE_MS_MAX = 2_000
/** How often the log says what is still missing. */
const SAY_MS = 10_000

/** What a service that starts still waits for. Whatever is not there yet is waited for; a start never goes on without it. */
export class Waiting {
  private what = 'its configuration'

  constructor(private readonly log: Logger) {}

  /** Runs until it is not refused as unavailable. Any other failure is one of ours, and ends the start. */
  async until<T>(what: string, run: () => Promise<T>): Promise<T> {
    this.what = what
    let saidMs = Number.NEGATIVE_INFINITY
    for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
      try {
        return await run()
      } catch (error) {
        if (!(error instanceof DomainError) || error.kind !== 'unavailable') throw error
        if (performance.now() - saidMs > SAY_MS) {
          saidMs = performance.now()
          this.log.warn({ err: error, waiting_for: what }, 'the start waits')
        }
        await pause(pauseMs)
      }
    }
  }

  /** What probes are told meanwhile. */
  health = async (): Promise<Health> => ({
    ready: false,
    dependencies: [{ name: this.what, ok: false, detail: 'the start waits for it' }],
  })
}
