import { Channel } from './channel.ts'

const open = <T>(channel: Channel<T>) => {
  const stop = new AbortController()
  const reader = channel.subscribe(stop.signal)[Symbol.asyncIterator]()
  return { stop: () => stop.abort(), next: () => reader.next(), leave: () => reader.return?.() }
}

describe('a channel', () => {
  it('gives every reader everything, in order', async () => {
    const channel = new Channel<number>({ capacity: 10 })
    const [early, late] = [open(channel), open(channel)]
    const waiting = early.next()
    for (const item of [1, 2, 3]) channel.publish(item)
    expect([await waiting, await early.next(), await early.next()].map(({ value }) => value)).toEqual([1, 2, 3])
    expect([await late.next(), await late.next()].map(({ value }) => value)).toEqual([1, 2])
  })

  it('ends a reader that falls behind, and nobody else', async () => {
    const channel = new Channel<number>({ capacity: 2 })
    const [slow, fast] = [open(channel), open(channel)]
    for (const item of [1, 2, 3]) {
      const read = fast.next()
      channel.publish(item)
      expect((await read).value).toBe(item)
    }
    await expect(slow.next()).rejects.toMatchObject({ kind: 'unavailable' })
    expect(channel.size).toBe(1)
  })

  it('merges what a slow reader needs only the newest of', async () => {
    const channel = new Channel<{ of: string; at: number }>({
      capacity: 2,
      merge: (waiting, next) => (waiting.of === next.of ? next : undefined),
    })
    const reader = open(channel)
    for (const at of [1, 2, 3]) channel.publish({ of: 'a', at })
    for (const at of [4, 5]) channel.publish({ of: 'b', at })
    expect((await reader.next()).value).toEqual({ of: 'a', at: 3 })
    expect((await reader.next()).value).toEqual({ of: 'b', at: 5 })
  })

  it('ends when the signal fires, when the reader leaves, and when it is told to fail', async () => {
    const channel = new Channel<number>({ capacity: 2 })
    const [stopped, left, failed] = [open(channel), open(channel), open(channel)]
    const waiting = [stopped.next(), left.next()]
    stopped.stop()
    await left.leave()
    expect(await Promise.all(waiting)).toEqual([
      { done: true, value: undefined },
      { done: true, value: undefined },
    ])
    const failing = failed.next()
    channel.fail(new Error('gone'))
    await expect(failing).rejects.toThrow('gone')
    await expect(failed.next()).rejects.toThrow('gone')
    expect(channel.size).toBe(0)
  })
})
