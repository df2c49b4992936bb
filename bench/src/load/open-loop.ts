import { setTimeout as pause } from 'node:timers/promises'

/**
 * Calls begun at a fixed rate, whether or not those before are answered, as a crowd of people would. `call` gets the moment at
 * which it was due: who measures from there counts the waiting of a late start too (no coordinated omission). Resolves when
 * all are done; a failing call ends the run.
 */
export async function openLoop(
  perSecond: number,
  ms: number,
  call: (index: number, dueMs: number) => Promise<void>,
): Promise<number> {
  const startMs = performance.now() + 5
  const count = Math.floor((perSecond * ms) / 1000)
  const running: Promise<void>[] = []
  let failure: unknown
  for (let index = 0; index < count && failure === undefined; ) {
    const dueMs = startMs + (index / perSecond) * 1000
    const aheadMs = dueMs - performance.now()
    if (aheadMs > 0) {
      // Timers are whole milliseconds: whatever is due by then begins together, each measured from its own moment.
      await pause(Math.max(1, Math.floor(aheadMs)))
      continue
    }
    running.push(
      call(index, dueMs).catch((error: unknown) => {
        failure ??= error
      }),
    )
    index += 1
  }
  await Promise.all(running)
  if (failure !== undefined) throw failure
  return count
}
