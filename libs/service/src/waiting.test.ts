import { DomainError, silentLogger } from '@bitka/kernel'
import { Waiting } from './waiting.ts'

it('waits for what is unavailable, says so to probes, and goes on when it is there', async () => {
  const waiting = new Waiting(silentLogger)
  let calls = 0
  const done = waiting.until('the database', async () => {
    calls += 1
    if (calls < 3) throw new DomainError('unavailable', 'no connection')
    return 'here'
  })
  expect(await waiting.health()).toMatchObject({ ready: false, dependencies: [{ name: 'the database', ok: false }] })
  expect(await done).toBe('here')
  expect(calls).toBe(3)
})

it('does not wait for what will never be', async () => {
  const waiting = new Waiting(silentLogger)
  const wrong = new Error('password authentication failed')
  await expect(waiting.until('the database', () => Promise.reject(wrong))).rejects.toBe(wrong)
})
