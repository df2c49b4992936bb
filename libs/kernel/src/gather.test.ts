import { Gatherer } from './gather.ts'

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('Gatherer', () => {
  it('answers each of many concurrent items with its own result, in one batch', async () => {
    const sizes: number[] = []
    const gatherer = new Gatherer<number, number>({
      windowMs: 1,
      maxItems: 100,
      maxQueue: 1000,
      run: async (items) => {
        sizes.push(items.length)
        return items.map((item) => item * 2)
      },
    })
    const answers = await Promise.all(Array.from({ length: 50 }, (_, item) => gatherer.add(item)))
    expect(answers).toEqual(Array.from({ length: 50 }, (_, item) => item * 2))
    expect(sizes).toEqual([50])
  })

  it('fills the next batch while one runs and keeps the order of batches', async () => {
    const batches: number[][] = []
    let open: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const gatherer = new Gatherer<number, number>({
      windowMs: 0,
      maxItems: 3,
      maxQueue: 100,
      run: async (items) => {
        batches.push(items)
        if (batches.length === 1) await gate
        return items
      },
    })
    const first = [1, 2, 3].map((item) => gatherer.add(item))
    await settle()
    const later = [4, 5, 6, 7].map((item) => gatherer.add(item))
    open()
    await Promise.all([...first, ...later])
    expect(batches).toEqual([[1, 2, 3], [4, 5, 6], [7]])
  })

  it('refuses what would make the queue grow without bound', async () => {
    const gatherer = new Gatherer<number, number>({
      windowMs: 1,
      maxItems: 10,
      maxQueue: 2,
      run: async (items) => items,
    })
    const taken = [gatherer.add(1), gatherer.add(2)]
    await expect(gatherer.add(3)).rejects.toMatchObject({ kind: 'unavailable' })
    await Promise.all(taken)
    expect(gatherer.depth).toBe(0)
  })

  it('fails the items of a failed batch and goes on', async () => {
    let broken = true
    const gatherer = new Gatherer<number, number>({
      windowMs: 0,
      maxItems: 10,
      maxQueue: 10,
      run: async (items) => {
        if (broken) throw new Error('the database is away')
        return items
      },
    })
    await expect(gatherer.add(1)).rejects.toThrow('the database is away')
    broken = false
    await expect(gatherer.add(2)).resolves.toBe(2)
    await gatherer.drain()
  })
})
