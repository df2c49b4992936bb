import { FrameCounter } from './frames.ts'

const frame = (length: number): Buffer => {
  const buffer = Buffer.alloc(4 + length)
  buffer.writeInt32BE(length)
  return buffer
}

describe('the counter of answers', () => {
  it.each([1, 2, 3, 5, 1000])('finds every end in pieces of %i bytes', (piece) => {
    const stream = Buffer.concat([frame(10), frame(1), frame(700), frame(4), frame(3)])
    const counter = new FrameCounter()
    let ended = 0
    for (let at = 0; at < stream.length; at += piece) ended += counter.count(stream.subarray(at, at + piece))
    expect(ended).toBe(5)
  })

  it('counts an answer when its last byte is there, and not before', () => {
    const counter = new FrameCounter()
    const [one, two] = [frame(6), frame(6)]
    expect(counter.count(one.subarray(0, 9))).toBe(0)
    expect(counter.count(Buffer.concat([one.subarray(9), two.subarray(0, 2)]))).toBe(1)
    expect(counter.count(two.subarray(2))).toBe(1)
  })
})
