import { setTimeout as sleep } from 'node:timers/promises'

/** How long the calls of a test wait for their answer: only a failing test waits so long, and a busy machine is no failure. */
export const PATIENCE_MS = 30_000

export type WaitOptions = {
  /** Default 30 s: only a failing test waits so long, and a busy machine is no failure. */
  timeoutMs?: number
  /** Default 20 ms. */
  intervalMs?: number
  /** What is waited for, for the error's message. */
  what?: string
}

type Falsy = false | undefined | null | 0 | ''

/**
 * Polls until the condition gives something truthy, and answers that. A condition that throws (a failed expect) is tried
 * again; the last error is the cause when time runs out.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<Exclude<T, Falsy>> {
  const { timeoutMs = PATIENCE_MS, intervalMs = 20, what = 'the condition' } = options
  const deadline = performance.now() + timeoutMs
  for (;;) {
    let cause: unknown
    try {
      const value = await condition()
      if (value) return value as Exclude<T, Falsy>
    } catch (error) {
      cause = error
    }
    if (performance.now() >= deadline) {
      const last = cause instanceof Error ? `: ${cause.message}` : ''
      throw new Error(`waited ${timeoutMs} ms for ${what}${last}`, { cause })
    }
    await sleep(intervalMs)
  }
}
