import { setTimeout as sleep } from 'node:timers/promises'
import { BitkaApiError } from '@bitka/client'
import type { DemoStats } from './stats.ts'

/** How long to leave the exchange alone when it said that it has enough, or said nothing. */
const PAUSE_MS_MIN = 500
const PAUSE_MS_MAX = 15_000

/** Sleeps; wakes at once when the demo ends. */
export const rest = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal }).catch(() => {})

/**
 * Does a thing again and again until the signal. When the exchange is busy or gone it waits, longer each time; what else
 * goes wrong is shown once in the status line and tried again.
 */
export async function repeat(step: () => Promise<number>, stats: DemoStats, signal: AbortSignal): Promise<void> {
  let troubles = 0
  while (!signal.aborted) {
    let pauseMs: number
    try {
      pauseMs = await step()
      troubles = 0
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof BitkaApiError)) throw error
      troubles += 1
      stats.trouble(error)
      const backoffMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** troubles)
      pauseMs = Math.max(error.retryAfterMs ?? 0, Math.random() * backoffMs)
    }
    await rest(pauseMs, signal)
  }
}
