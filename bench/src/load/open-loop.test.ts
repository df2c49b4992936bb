import { setTimeout as pause } from 'node:timers/promises'
import { openLoop } from './open-loop.ts'

it('begins every call at its own moment, however long the others take', async () => {
  const due: number[] = []
  let inFlight = 0
  let most = 0
  const count = await openLoop(200, 200, async (index, dueMs) => {
    due[index] = dueMs
    inFlight += 1
    most = Math.max(most, inFlight)
    expect(performance.now()).toBeGreaterThanOrEqual(dueMs)
    await pause(50)
    inFlight -= 1
  })
  expect(count).toBe(40)
  expect((due[39] ?? 0) - (due[0] ?? 0)).toBeCloseTo(195, 5)
  expect(most).toBeGreaterThan(1)
})

it('ends with a call that fails', async () => {
  await expect(openLoop(100, 100, async () => Promise.reject(new Error('refused')))).rejects.toThrow('refused')
})
