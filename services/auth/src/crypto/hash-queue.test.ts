import { HashQueue, type Lane } from './hash-queue.ts'

/** Jobs that end when told to, and the order in which they began. */
function jobs(queue: HashQueue) {
  const began: string[] = []
  const finish: (() => void)[] = []
  const run = (name: string, lane: Lane) =>
    queue.run(lane, () => {
      began.push(name)
      return new Promise<void>((resolve) => finish.push(resolve))
    })
  const finishOne = async (): Promise<void> => {
    finish.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { began, run, finishOne }
}

it('lets known places pass strangers, and sheds each lane by itself', async () => {
  const queue = new HashQueue({ concurrency: 1, maxWaiting: 2 })
  const { began, run, finishOne } = jobs(queue)
  const done = [run('s1', 'stranger'), run('s2', 'stranger'), run('s3', 'stranger')]
  await expect(run('s4', 'stranger')).rejects.toMatchObject({ kind: 'unavailable' })
  done.push(run('k1', 'known'), run('k2', 'known'))
  await expect(run('k3', 'known')).rejects.toMatchObject({ kind: 'unavailable' })
  expect(queue.depth).toBe(5)
  for (let n = 0; n < 5; n += 1) await finishOne()
  await Promise.all(done)
  expect(began).toEqual(['s1', 'k1', 'k2', 's2', 's3'])
  expect(queue.depth).toBe(0)
})

it('goes on after a job that fails', async () => {
  const queue = new HashQueue({ concurrency: 1, maxWaiting: 1 })
  await expect(queue.run('known', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  await expect(queue.run('known', async () => 1)).resolves.toBe(1)
})
