import { TopicQueue } from '../src/kafka/topic-queue.ts'

const records = (name: string, count: number, bytes = 10) =>
  Array.from({ length: count }, (_, i) => ({
    key: `${name}${i}`,
    headers: {},
    value: new Uint8Array(bytes),
    partition: 0,
  }))

describe('the queue of a topic', () => {
  it('sends one batch at a time, and what waits meanwhile as the next one', async () => {
    const batches: string[][] = []
    let underWay = 0
    const queue = new TopicQueue(async (all) => {
      underWay += 1
      expect(underWay).toBe(1)
      await new Promise((resolve) => setImmediate(resolve))
      underWay -= 1
      const from = batches.flat().length
      batches.push(all.map(({ key }) => key))
      return all.map((_, i) => ({ partition: 0, offset: BigInt(from + i) }))
    })
    const places = await Promise.all([
      queue.add(records('a', 2)),
      queue.add(records('b', 1)),
      queue.add(records('c', 2)),
    ])
    expect(batches).toEqual([
      ['a0', 'a1'],
      ['b0', 'c0', 'c1'],
    ])
    // Everybody learns of his own places.
    expect(places.map((own) => own.map(({ offset }) => offset))).toEqual([[0n, 1n], [2n], [3n, 4n]])
  })

  it('does not make a large batch of appends that wait', async () => {
    const sizes: number[] = []
    const queue = new TopicQueue(async (all) => {
      sizes.push(all.length)
      return all.map(() => ({ partition: 0, offset: 0n }))
    })
    await Promise.all(Array.from({ length: 5 }, () => queue.add(records('x', 1, 150_000))))
    expect(sizes).toEqual([1, 2, 2])
  })

  it('tells of a failure those whose records were in it, and goes on', async () => {
    let failed = false
    const queue = new TopicQueue(async (all) => {
      if (!failed) {
        failed = true
        throw new Error('the broker is away')
      }
      return all.map(() => ({ partition: 0, offset: 7n }))
    })
    const [first, second] = await Promise.allSettled([queue.add(records('a', 1)), queue.add(records('b', 1))])
    expect(first?.status).toBe('rejected')
    expect(second).toMatchObject({ value: [{ offset: 7n }] })
  })
})
