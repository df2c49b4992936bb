/** What a closed loop did. */
export type LoopResult = { perSecond: number; units: number; latenciesMs: number[] }

/**
 * Workers that each begin their next call when the one before is answered, for `ms`. A call answers how many units of work it
 * did; whatever is under way at the end is awaited and counts, with the time that it took. A failing call ends the run.
 */
export async function closedLoop(
  workers: number,
  ms: number,
  call: (worker: number, turn: number) => Promise<number>,
): Promise<LoopResult> {
  const latenciesMs: number[] = []
  let units = 0
  const startedMs = performance.now()
  const deadline = startedMs + ms
  await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      for (let turn = 0; performance.now() < deadline; turn += 1) {
        const beganMs = performance.now()
        // Not `units += await …`: that reads the sum before it waits, and loses what others add meanwhile.
        const done = await call(worker, turn)
        units += done
        latenciesMs.push(performance.now() - beganMs)
      }
    }),
  )
  return { perSecond: (units / (performance.now() - startedMs)) * 1000, units, latenciesMs }
}
