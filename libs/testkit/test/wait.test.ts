import { freePort, waitFor } from '../src/index.ts'

it('answers what the condition gives, once it gives something', async () => {
  const answers = [false, undefined, 'there']
  expect(await waitFor(() => answers.shift(), { intervalMs: 1 })).toBe('there')
  expect(answers).toEqual([])
})

it('tries again what throws, and says what it waited for and why it never came', async () => {
  let calls = 0
  expect(
    await waitFor(
      () => {
        calls += 1
        if (calls < 3) throw new Error('not yet')
        return true
      },
      { intervalMs: 1 },
    ),
  ).toBe(true)
  const never = waitFor(() => Promise.reject(new Error('the book is empty')), {
    timeoutMs: 5,
    intervalMs: 1,
    what: 'a trade',
  })
  await expect(never).rejects.toThrow('waited 5 ms for a trade: the book is empty')
})

it('finds a free port', async () => {
  expect(await freePort()).toBeGreaterThan(1_023)
})
