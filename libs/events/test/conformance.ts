import { waitFor } from '@bitka/testkit'
import {
  type AppendedAt,
  type EventLog,
  FencedError,
  ForbiddenTopicError,
  type LogRecord,
  partitionOf,
  RECORD_BYTES_MAX,
  type RecordBatch,
  RecordTooLargeError,
  type StoredRecord,
  type Subscription,
} from '../src/index.ts'

/** What an adapter's test brings. Each opened log is a process of its own as far as the log can tell. */
export type LogUnderTest = {
  /** A topic that nobody has used yet. */
  topic(partitions: number): Promise<string>
  /** As the one service that may append to those topics and read them. */
  open(): EventLog
  /** As a service that may do neither; missing where the log has no identities. */
  openForeign?(): EventLog
  stop(): Promise<void>
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (value: Uint8Array): string => new TextDecoder().decode(value)
export const record = (key: string, value: string): LogRecord => ({ key, headers: {}, value: bytes(value) })
export const values = (records: StoredRecord[]): string[] => records.map(({ value }) => text(value))

/** Everything from `from` to the present end. */
export async function readAll(log: EventLog, topic: string, partition: number, from = 0n): Promise<StoredRecord[]> {
  const end = (await log.latestOffsets(topic))[partition] as bigint
  const found: StoredRecord[] = []
  for (let position = from; position < end; ) {
    const { records, nextOffset } = await log.read(topic, partition, position, { waitMs: 20_000 })
    if (nextOffset <= position) throw new Error(`no way on from ${position} to ${end}`)
    found.push(...records)
    position = nextOffset
  }
  return found
}

/** What every event log does, whatever holds its records. */
export function logConformance(name: string, setUp: () => Promise<LogUnderTest>): void {
  describe(`${name} as an event log`, () => {
    let fixture: LogUnderTest
    let log: EventLog
    const opened: EventLog[] = []
    const open = (): EventLog => {
      const another = fixture.open()
      opened.push(another)
      return another
    }

    beforeAll(async () => {
      fixture = await setUp()
      log = fixture.open()
    }, 120_000)
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((each) => each.close()))
    })
    afterAll(async () => {
      await log?.close()
      await fixture?.stop()
    })

    describe('append and read', () => {
      it('gives back exactly what was appended: unicode keys, headers, bytes, an empty value', async () => {
        const topic = await fixture.topic(1)
        const records: LogRecord[] = [
          {
            key: 'ลูกค้า-☃-𝄞',
            headers: { type: 'a.b', name: 'naïve "quoted" \\ \n ☃' },
            value: new Uint8Array([0, 255, 1, 128]),
          },
          { key: 'empty', headers: {}, value: new Uint8Array(0) },
          { key: '', headers: { x: '' }, value: bytes('{}') },
        ]
        const places = await log.append(topic, records)
        const found = await readAll(log, topic, 0)
        expect(found.map(({ key, headers, value }) => ({ key, headers, value: [...value] }))).toEqual(
          records.map(({ key, headers, value }) => ({ key, headers, value: [...value] })),
        )
        expect(found.map(({ partition, offset }) => ({ partition, offset }))).toEqual(places)
        for (const { timestampMs } of found) expect(Math.abs(timestampMs - Date.now())).toBeLessThan(60_000)
      })

      it('keeps the order of a partition and finds the partition by the key', async () => {
        const topic = await fixture.topic(4)
        expect(await log.partitions(topic)).toBe(4)
        const keys = ['BTC-THB', 'ETH-THB', 'USDT-THB', 'SOL-THB', 'é']
        const places: AppendedAt[] = []
        for (let round = 0; round < 3; round += 1) {
          places.push(
            ...(await log.append(
              topic,
              keys.map((key) => record(key, `${key} ${round}`)),
            )),
          )
        }
        expect(places.slice(0, keys.length).map(({ partition }) => partition)).toEqual(
          keys.map((key) => partitionOf(key, 4)),
        )
        const all = (await Promise.all([0, 1, 2, 3].map((partition) => readAll(log, topic, partition)))).flat()
        expect(all).toHaveLength(15)
        for (const key of keys) {
          const own = all.filter((found) => found.key === key)
          expect(values(own)).toEqual([0, 1, 2].map((round) => `${key} ${round}`))
          expect(new Set(own.map(({ partition }) => partition)).size).toBe(1)
        }
      })

      it('puts a record into the partition that it names', async () => {
        const topic = await fixture.topic(4)
        const places = await log.append(
          topic,
          [2, 0, 2, 3].map((partition, i) => ({ ...record('same', `${i}`), partition })),
        )
        expect(places.map(({ partition }) => partition)).toEqual([2, 0, 2, 3])
        expect(values(await readAll(log, topic, 2))).toEqual(['0', '2'])
      })

      it('reads on from nextOffset in pieces, and stands at the end', async () => {
        const topic = await fixture.topic(1)
        await log.append(
          topic,
          Array.from({ length: 25 }, (_, i) => record('k', `${i}`)),
        )
        const seen: string[] = []
        let position = 0n
        for (let piece = 0; piece < 3; piece += 1) {
          const { records, nextOffset } = await log.read(topic, 0, position, { maxRecords: 10, waitMs: 20_000 })
          seen.push(...values(records))
          position = nextOffset
        }
        expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => `${i}`))
        expect(await log.read(topic, 0, position)).toEqual({ records: [], nextOffset: position })
      })

      it('takes a large batch', async () => {
        const topic = await fixture.topic(2)
        const places = await log.append(
          topic,
          Array.from({ length: 5_000 }, (_, i) => record(`key ${i % 7}`, `${i} ${'x'.repeat(150)}`)),
        )
        expect(places).toHaveLength(5_000)
        const all = [...(await readAll(log, topic, 0)), ...(await readAll(log, topic, 1))]
        expect(new Set(values(all)).size).toBe(5_000)
        expect(await log.append(topic, [])).toEqual([])
      })

      it('takes a record of many megabytes, in order among small ones, and refuses one that is larger than any log takes', async () => {
        const topic = await fixture.topic(1)
        const large: LogRecord = { key: 'k', headers: {}, value: new Uint8Array(RECORD_BYTES_MAX - 1_000).fill(7) }
        await log.append(topic, [record('k', 'before'), large, record('k', 'after')])
        const found = await readAll(log, topic, 0)
        expect(found.map(({ value }) => value.length)).toEqual([6, large.value.length, 5])
        const tooLarge = { ...large, value: new Uint8Array(RECORD_BYTES_MAX) }
        await expect(log.append(topic, [record('k', 'x'), tooLarge])).rejects.toThrow(RecordTooLargeError)
        expect(await readAll(log, topic, 0)).toHaveLength(3)
        const fence = await log.acquireFence(topic, 0, 'owner')
        const [place] = await log.append(topic, [large], { fence })
        // A moment may pass until what a fenced append has acknowledged is there to be read.
        const { records } = await log.read(topic, 0, place?.offset as bigint, { waitMs: 20_000 })
        expect(records.map(({ value }) => value.length)).toEqual([large.value.length])
      })

      it('answers from latestOffsets where only newer records follow', async () => {
        const topic = await fixture.topic(2)
        await log.append(topic, [{ ...record('k', 'old'), partition: 1 }])
        const ends = await log.latestOffsets(topic)
        expect(ends).toHaveLength(2)
        await log.append(topic, [{ ...record('k', 'new'), partition: 1 }])
        expect(values(await readAll(log, topic, 1, ends[1]))).toEqual(['new'])
        expect(await readAll(log, topic, 0, ends[0])).toEqual([])
      })

      it('wakes a reader that waits, and lets go of one whose signal aborts', async () => {
        const topic = await fixture.topic(1)
        const reader = open()
        const waiting = reader.read(topic, 0, 0n, { waitMs: 20_000 })
        await log.append(topic, [record('k', 'hello')])
        const { records, nextOffset } = await waiting
        expect(values(records)).toEqual(['hello'])
        const controller = new AbortController()
        const startedMs = performance.now()
        const aborted = reader.read(topic, 0, nextOffset, { waitMs: 60_000, signal: controller.signal })
        controller.abort()
        expect((await aborted).records).toEqual([])
        expect(performance.now() - startedMs).toBeLessThan(30_000)
      })

      it('shows a follower every record once, in rising offsets, while several append', async () => {
        const topic = await fixture.topic(1)
        const total = 4 * 40
        const follow = async (): Promise<StoredRecord[]> => {
          const seen: StoredRecord[] = []
          for (let position = 0n; seen.length < total; ) {
            const { records, nextOffset } = await log.read(topic, 0, position, { maxRecords: 7, waitMs: 10_000 })
            seen.push(...records)
            position = nextOffset
          }
          return seen
        }
        const produce = async (producer: EventLog, id: number): Promise<void> => {
          for (let i = 0; i < 40; i += 2)
            await producer.append(topic, [record('k', `${id}:${i}`), record('k', `${id}:${i + 1}`)])
        }
        const following = follow()
        await Promise.all([0, 1, 2, 3].map((id) => produce(open(), id)))
        const seen = await following
        expect(new Set(values(seen)).size).toBe(total)
        for (let i = 1; i < seen.length; i += 1) expect(seen[i]?.offset).toBeGreaterThan(seen[i - 1]?.offset as bigint)
        for (const id of [0, 1, 2, 3]) {
          const own = values(seen).filter((value) => value.startsWith(`${id}:`))
          expect(own).toEqual(Array.from({ length: 40 }, (_, i) => `${id}:${i}`))
        }
      })
    })

    describe('fence', () => {
      it('lets the newest owner append and refuses every older one', async () => {
        const topic = await fixture.topic(2)
        const [one, two] = [open(), open()]
        const first = await one.acquireFence(topic, 1, 'one')
        await one.append(topic, [record('k', 'first')], { fence: first })
        const second = await two.acquireFence(topic, 1, 'two')
        const end = (await two.latestOffsets(topic))[1] as bigint
        expect(values(await readAll(two, topic, 1))).toEqual(['first'])
        await expect(one.append(topic, [record('k', 'late')], { fence: first })).rejects.toThrow(FencedError)
        expect((await two.latestOffsets(topic))[1]).toBe(end)
        await two.append(topic, [record('k', 'second'), record('k', 'third')], { fence: second })
        await expect(one.append(topic, [record('k', 'later')], { fence: first })).rejects.toThrow(FencedError)
        expect(values(await readAll(log, topic, 1))).toEqual(['first', 'second', 'third'])
      })

      it('answers the true places, holds one partition only, and may be taken by the same process again', async () => {
        const topic = await fixture.topic(2)
        const owner = open()
        const fence = await owner.acquireFence(topic, 0, 'owner')
        const again = await owner.acquireFence(topic, 0, 'owner')
        expect(again.token).toBeGreaterThan(fence.token)
        await expect(owner.append(topic, [record('k', 'x')], { fence })).rejects.toThrow(FencedError)
        const places: AppendedAt[] = []
        for (let i = 0; i < 3; i += 1)
          places.push(...(await owner.append(topic, [record('k', `${i}`)], { fence: again })))
        const found = await readAll(log, topic, 0)
        expect(found.map(({ offset }) => offset)).toEqual(places.map(({ offset }) => offset))
        await log.append(topic, [{ ...record('k', 'free'), partition: 1 }])
        expect(values(await readAll(log, topic, 1))).toEqual(['free'])
      })
    })

    it('refuses the append and the read of a service that is not in the table', async () => {
      const foreign = fixture.openForeign?.()
      if (!foreign) return
      opened.push(foreign)
      const topic = await fixture.topic(1)
      await log.append(topic, [record('k', 'ours')])
      await expect(foreign.append(topic, [{ ...record('k', 'theirs'), partition: 0 }])).rejects.toThrow(
        ForbiddenTopicError,
      )
      await expect(foreign.read(topic, 0, 0n)).rejects.toThrow(ForbiddenTopicError)
      expect(values(await readAll(log, topic, 0))).toEqual(['ours'])
    })

    describe('subscribe', () => {
      /** A service that stores its positions, as consumers do in their database. */
      class Service {
        readonly seen: string[] = []
        readonly revoked: string[] = []
        running = 0
        overlapped = false
        failOn: string | undefined
        constructor(readonly positions: Map<string, bigint>) {}
        join(on: EventLog, group: string, topics: string[]): Promise<Subscription> {
          return on.subscribe(group, topics, {
            position: async (topic, partition) => this.positions.get(`${topic}/${partition}`) ?? 0n,
            onRecords: (batch) => this.take(batch),
            onRevoked: (topic, partition) => void this.revoked.push(`${topic}/${partition}`),
          })
        }
        private async take({ topic, partition, records, nextOffset }: RecordBatch): Promise<void> {
          const place = `${topic}/${partition}`
          this.running += 1
          await new Promise((resolve) => setImmediate(resolve))
          this.running -= 1
          for (const value of values(records)) {
            if (value === this.failOn) {
              this.failOn = undefined
              throw new Error('the record cannot be applied yet')
            }
          }
          const from = this.positions.get(place) ?? 0n
          if (records.some(({ offset }) => offset < from)) this.overlapped = true
          this.seen.push(...values(records))
          this.positions.set(place, nextOffset)
        }
      }

      it('delivers from the stored position, in order, and again from there after a failure', async () => {
        const topic = await fixture.topic(1)
        const places = await log.append(
          topic,
          Array.from({ length: 10 }, (_, i) => record('k', `${i}`)),
        )
        const service = new Service(new Map([[`${topic}/0`, places[4]?.offset as bigint]]))
        service.failOn = '9'
        const subscription = await service.join(open(), `order.group-${topic}`, [topic])
        await waitFor(() => service.seen.length >= 6, { timeoutMs: 30_000 })
        await log.append(topic, [record('k', 'next')])
        await waitFor(() => service.seen.length >= 7, { timeoutMs: 30_000 })
        expect(service.seen).toEqual(['4', '5', '6', '7', '8', '9', 'next'])
        expect(subscription.assigned()).toEqual([{ topic, partition: 0 }])
        await subscription.close()
        expect(subscription.assigned()).toEqual([])
        expect(service.revoked).toContain(`${topic}/0`)
      })

      it('gives each partition one owner, and another one when that leaves', async () => {
        const topic = await fixture.topic(4)
        const positions = new Map<string, bigint>()
        const [one, two] = [new Service(positions), new Service(positions)]
        const first = await one.join(open(), `order.group-${topic}`, [topic])
        await waitFor(() => first.assigned().length === 4, { timeoutMs: 30_000 })
        const second = await two.join(open(), `order.group-${topic}`, [topic])
        const send = (tag: string) =>
          log.append(
            topic,
            [0, 1, 2, 3].map((partition) => ({ ...record('k', `${tag}${partition}`), partition })),
          )
        await send('a')
        await waitFor(() => one.seen.length + two.seen.length >= 4, { timeoutMs: 30_000 })
        await first.close()
        await send('b')
        await waitFor(() => one.seen.length + two.seen.length >= 8, { timeoutMs: 30_000 })
        expect(second.assigned()).toHaveLength(4)
        expect([...one.seen, ...two.seen].sort()).toEqual(['a0', 'a1', 'a2', 'a3', 'b0', 'b1', 'b2', 'b3'])
        expect(one.overlapped || two.overlapped).toBe(false)
      })

      it('shows the same records to every group', async () => {
        const topic = await fixture.topic(1)
        const services = [new Service(new Map()), new Service(new Map())]
        await Promise.all(services.map((service, i) => service.join(open(), `order.group-${i}-${topic}`, [topic])))
        await log.append(topic, [record('k', 'for all')])
        for (const service of services) {
          await waitFor(() => service.seen.length === 1, { timeoutMs: 30_000 })
          expect(service.seen).toEqual(['for all'])
        }
      })
    })
  })
}
