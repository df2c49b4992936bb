import { randomBytes } from 'node:crypto'
import { measureKafka, startTestKafka, type TestKafka } from '@bitka/deploy/kafka'
import { ensureKafka, stackHome } from '@bitka/deploy/native'
import {
  type EventLog,
  type KafkaConnection,
  type KafkaTls,
  type LogRecord,
  openKafkaLog,
  type StoredRecord,
  type Subscription,
  type TopicTable,
} from '@bitka/events'
import { createLogger, DomainError } from '@bitka/kernel'
import { waitFor } from '@bitka/testkit'
import { readAll, values } from '../../../libs/events/test/conformance.ts'

const markets = Array.from({ length: 6 }, (_, i) => `M${i}`)
const entry = (key: string, partition: number, value: string): LogRecord & { partition: number } => ({
  key,
  partition,
  headers: { type: 'test' },
  value: new TextEncoder().encode(value),
})
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Appends numbered records of one market after another until told to stop; what was not acknowledged is sent again. */
class Producer {
  readonly acknowledged = new Map<string, string[]>()
  private stopped = false
  readonly failures: unknown[] = []
  private readonly done: Promise<unknown>

  constructor(log: EventLog, topic: string, partitionOf: (market: string) => number) {
    const produce = async (market: string): Promise<void> => {
      const own: string[] = []
      this.acknowledged.set(market, own)
      for (let i = 0; !this.stopped; i += 1) {
        const value = `${market}:${i}`
        while (!(await this.tried(log, topic, entry(market, partitionOf(market), value)))) await sleep(50)
        own.push(value)
        await sleep(2)
      }
    }
    this.done = Promise.all(markets.map(produce))
  }

  get count(): number {
    return [...this.acknowledged.values()].reduce((sum, { length }) => sum + length, 0)
  }

  async stop(): Promise<void> {
    this.stopped = true
    await this.done
  }

  private async tried(log: EventLog, topic: string, record: LogRecord & { partition: number }): Promise<boolean> {
    try {
      await log.append(topic, [record])
      return true
    } catch (error) {
      if (!(error instanceof DomainError && error.kind === 'unavailable')) throw error
      this.failures.push(error)
      return false
    }
  }
}

/** A group member that stores its positions, and notes everything it was given. */
async function consume(
  log: EventLog,
  group: string,
  topic: string,
): Promise<{ seen: StoredRecord[]; revoked: number[]; subscription: Subscription }> {
  const positions = new Map<number, bigint>()
  const seen: StoredRecord[] = []
  const revoked: number[] = []
  const subscription = await log.subscribe(group, [topic], {
    position: async (_, partition) => positions.get(partition) ?? 0n,
    onRecords: async ({ partition, records, nextOffset }) => {
      seen.push(...records)
      positions.set(partition, nextOffset)
    },
    onRevoked: (_, partition) => revoked.push(partition),
  })
  return { seen, revoked, subscription }
}

const ofMarket = (records: StoredRecord[], market: string): string[] =>
  values(records.filter(({ key }) => key === market))

/** Records once each, in order; a producer that was not told of a success may have sent some twice. */
const withoutRepeats = (all: string[]): string[] => all.filter((value, i) => all.indexOf(value) === i)

describe('Kafka under load', () => {
  let kafka: TestKafka
  const run = randomBytes(4).toString('hex')
  const topic = (name: string): string => `load-${run}.${name}`
  const table = (partitions: number, ...names: string[]): TopicTable =>
    Object.fromEntries(
      names.map((name): [string, TopicTable[string]] => [
        topic(name),
        { producers: ['order'], consumers: ['matching'], partitions, money: true, key: 'market' },
      ]),
    )
  const logs: EventLog[] = []
  const stops: (() => void)[] = []
  const open = (connection: KafkaConnection): EventLog => {
    const log = openKafkaLog(connection)
    logs.push(log)
    return log
  }
  const drain = (log: EventLog, name: string, partitions: number): Promise<StoredRecord[]> =>
    Promise.all(Array.from({ length: partitions }, (_, partition) => readAll(log, name, partition))).then((all) =>
      all.flat(),
    )

  beforeAll(async () => {
    kafka = await startTestKafka(await ensureKafka(stackHome()))
    await kafka.sync(table(3, 'speed', 'rotate', 'grow', 'crash', 'expire'))
  }, 300_000)
  afterEach(async () => {
    for (const stop of stops.splice(0)) stop()
    await Promise.all(logs.splice(0).map((log) => log.close()))
  })
  afterAll(() => kafka?.stop())

  it('takes idempotent, acknowledged batches of 100 quickly', async () => {
    const { eventsPerSecond, cpuUsPerEvent, p50Ms, p99Ms } = await measureKafka(
      open(kafka.connect('order')),
      topic('speed'),
      40_000,
    )
    const figure = { id: 'stack.kafka_events_per_s', value: Math.round(eventsPerSecond), cpuUsPerEvent, p50Ms, p99Ms }
    process.stdout.write(`${JSON.stringify(figure)}\n`)
    // 20,000 on an idle machine: the bench looks after that. Here others work too, and the machine may be a slow one, so only
    // our own share of it is held: one append for each event, and not for each batch, would cost many times as much.
    expect(cpuUsPerEvent).toBeLessThan(500)
  })

  it('loses and repeats nothing while certificates change every few seconds beneath the connections', async () => {
    const name = topic('rotate')
    let renewals = 0
    const destination = {
      write: (line: string): void => {
        if (line.includes('was renewed')) renewals += 1
      },
    }
    const logger = createLogger('test', { level: 'debug', destination })
    const producerTls = await shortLived('order')
    const consumerTls = await shortLived('matching')
    const order = open({ ...kafka.connect('order'), logger, tls: producerTls.tls })
    const matching = open({ ...kafka.connect('matching'), logger, tls: consumerTls.tls })
    const fence = await order.acquireFence(name, 2, 'owner')
    const consumer = await consume(matching, 'matching.rotate', name)
    await waitFor(() => consumer.subscription.assigned().length === 3)
    const producer = new Producer(order, name, (market) => markets.indexOf(market) % 2)
    const fenced: string[] = []
    const endMs = performance.now() + 120_000
    for (let i = 0; renewals < 8 && performance.now() < endMs; i += 1) {
      const value = `fenced:${i}`
      await order.append(name, [entry('F', 2, value)], { fence })
      fenced.push(value)
      await sleep(20)
    }
    await producer.stop()
    const log = await drain(matching, name, 3)
    await waitFor(() => consumer.seen.length >= log.length, { timeoutMs: 120_000 })
    expect(producer.failures).toEqual([])
    for (const [market, all] of producer.acknowledged) {
      expect(ofMarket(log, market)).toEqual(all)
      expect(ofMarket(consumer.seen, market)).toEqual(all)
    }
    expect(ofMarket(log, 'F')).toEqual(fenced)
    expect(ofMarket(consumer.seen, 'F')).toEqual(fenced)
    // The group noticed nothing: nobody had to join again.
    expect(consumer.revoked).toEqual([])
    expect(renewals).toBeGreaterThanOrEqual(8)
  }, 300_000)

  it('ends a connection when its certificate expires and there is no newer one', async () => {
    // Long enough to connect on a machine that is busy.
    const tls = await shortLived('order', 15_000)
    tls.stop()
    const log = open({ ...kafka.connect('order'), tls: tls.tls })
    await log.append(topic('expire'), [entry('k', 0, 'in time')])
    await waitFor(
      () =>
        log.append(topic('expire'), [entry('k', 0, 'late')]).then(
          () => false,
          (error) => error instanceof DomainError && error.kind === 'unavailable',
        ),
      { timeoutMs: 120_000 },
    )
  }, 300_000)

  it('grows a topic while it is used, and no market moves', async () => {
    const name = topic('grow')
    const order = open(kafka.connect('order'))
    const matching = open(kafka.connect('matching'))
    const home = (market: string): number => markets.indexOf(market) % 3
    const consumer = await consume(matching, 'matching.grow', name)
    const producer = new Producer(order, name, home)
    await waitFor(() => producer.count > 100, { timeoutMs: 120_000 })
    await kafka.sync(table(8, 'grow'))
    const before = producer.count
    await waitFor(() => producer.count > before + 200, { timeoutMs: 120_000 })
    await producer.stop()
    const fresh = open(kafka.connect('matching'))
    expect(await fresh.partitions(name)).toBe(8)
    const all = await drain(fresh, name, 8)
    for (const market of markets) {
      expect(ofMarket(all, market)).toEqual(producer.acknowledged.get(market))
      expect(new Set(all.filter(({ key }) => key === market).map(({ partition }) => partition))).toEqual(
        new Set([home(market)]),
      )
    }
    // A market that is listed later may live on a new partition, and somebody reads it.
    await open(kafka.connect('order')).append(name, [entry('new', 7, 'new:0')])
    await waitFor(() => consumer.seen.length === all.length + 1, { timeoutMs: 120_000 })
    for (const market of markets) expect(ofMarket(consumer.seen, market)).toEqual(producer.acknowledged.get(market))
  }, 300_000)

  it('is killed and comes back: what was acknowledged is there, and was consumed in order', async () => {
    const name = topic('crash')
    const order = open(kafka.connect('order'))
    const matching = open(kafka.connect('matching'))
    const consumer = await consume(matching, 'matching.crash', name)
    const producer = new Producer(order, name, (market) => markets.indexOf(market) % 3)
    await waitFor(() => producer.count > 200 && consumer.seen.length > 0, { timeoutMs: 120_000 })
    const atKill = producer.count
    await kafka.broker.kill()
    await kafka.broker.start()
    await waitFor(() => producer.count > atKill + 200, { timeoutMs: 120_000 })
    await producer.stop()
    const all = await drain(open(kafka.connect('matching')), name, 3)
    await waitFor(() => consumer.seen.length >= all.length, { timeoutMs: 120_000 })
    for (const [market, acknowledged] of producer.acknowledged) {
      const kept = ofMarket(all, market)
      expect(withoutRepeats(kept)).toEqual(acknowledged)
      // The log shows its records once each to a group that stores its position.
      expect(ofMarket(consumer.seen, market)).toEqual(kept)
    }
  }, 300_000)

  /** Certificates that live for some seconds, replaced every three. */
  async function shortLived(service: string, ttlMs = 10_000): Promise<{ tls: () => KafkaTls; stop(): void }> {
    const issue = async (): Promise<KafkaTls> =>
      kafka.tls(
        await kafka.ca.issue({
          uris: [`spiffe://bitka.local/ns/bitka/sa/${service}`],
          notAfterMs: Date.now() + ttlMs,
        }),
      )
    let current = await issue()
    const timer = setInterval(() => {
      void issue().then((next) => {
        current = next
      })
    }, 3_000)
    const stop = (): void => clearInterval(timer)
    stops.push(stop)
    return { tls: () => current, stop }
  }
})
