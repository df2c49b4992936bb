import { runOurs, runPeer, runWhole, toCommands } from './players.ts'
import { deep, Op, record, type Stream, shallow } from './stream.ts'

const small = { ...deep(2_000, 7), levelsPerSide: 50, resting: 1_000 }
const idsOf = (stream: Stream): string[] => Array.from({ length: stream.length + 1 }, (_, seq) => `order-${seq}`)

test.each([shallow(5_000, 1), small])('$name: the same shape records the same commands', (shape) => {
  expect(record(shape)).toEqual(record(shape))
})

it('records other commands with another seed', () => {
  expect(record(shallow(500, 1)).target).not.toEqual(record(shallow(500, 2)).target)
})

it('keeps its promises about mix and depth', () => {
  const stream = record(shallow(20_000, 3))
  expect(stream.loaded).toBe(1_000)
  expect(stream.mix.take).toBeCloseTo(0.1, 1)
  expect(stream.mix.cancel).toBeGreaterThan(0.4)
  expect(stream.mix.rest).toBeGreaterThan(0.4)
  expect(new Set(stream.ticks.filter((_, index) => stream.op[index] === Op.rest)).size).toBe(50)
})

test.each([shallow(5_000, 1), small])('$name: three books trade the same and end the same', (shape) => {
  const stream = record(shape)
  const { elapsedMs: _, ...ours } = runOurs(stream)
  expect(ours.tradedLots).toBeGreaterThan(0)
  expect(runPeer(stream, idsOf(stream))).toMatchObject(ours)
  expect(runWhole(stream, toCommands(stream))).toMatchObject(ours)
})

it('cancels only orders that rest', () => {
  const stream = record(shallow(5_000, 5))
  expect(runOurs(stream).cancelled).toBe(stream.op.filter((op) => op === Op.cancel).length)
})
