import { setTimeout as pause } from 'node:timers/promises'
import { closedLoop } from './closed-loop.ts'

it('counts the work of every worker', async () => {
  let calls = 0
  const result = await closedLoop(8, 50, async () => {
    calls += 1
    await pause(1)
    return 10
  })
  expect(result.units).toBe(calls * 10)
  expect(result.latenciesMs).toHaveLength(calls)
})

it('ends with the first call that fails', async () => {
  const failing = closedLoop(2, 50, async (worker) => {
    await pause(1)
    if (worker === 1) throw new Error('refused')
    return 1
  })
  await expect(failing).rejects.toThrow('refused')
})
