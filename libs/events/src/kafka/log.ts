import { assert, crashPoint } from '@bitka/kernel'
import type { Admin, Kafka } from 'kafkajs'
import { partitionOf } from '../partitioner.ts'
import type {
  AppendedAt,
  EventLog,
  Fence,
  LogRecord,
  ReadOptions,
  ReadResult,
  Subscription,
  SubscriptionHandler,
} from '../port.ts'
import { assertFit } from '../record-size.ts'
import { isTransient, pause } from '../retry.ts'
import { Appender } from './appender.ts'
import { type KafkaConnection, kafkaClient } from './client.ts'
import { asLogError } from './errors.ts'
import { Fetcher } from './fetcher.ts'
import { KafkaSubscription } from './subscription.ts'

export type KafkaLogConfig = KafkaConnection

const PARTITIONS_TTL_MS = 10_000
const DEFAULT_MAX_RECORDS = 500
const ADMIN_ATTEMPTS = 4
const ADMIN_PAUSE_MS = 150
/** The longest that one fetch waits at the broker, and so how long a given-up one keeps its connection. */
const FETCH_WAIT_MS = 1_000

/** Opens the log in Kafka. Connects when first used. */
export const openKafkaLog = (config: KafkaLogConfig): EventLog => new KafkaLog(config)

class KafkaLog implements EventLog {
  private readonly kafka: Kafka
  private readonly fetcher: Fetcher
  private readonly appender: Appender
  private readonly subscriptions = new Set<KafkaSubscription>()
  private readonly counts = new Map<string, { count: number; readMs: number }>()
  private connectedAdmin: Promise<Admin> | undefined
  private readonly closed = new AbortController()

  constructor(private readonly config: KafkaLogConfig) {
    this.kafka = kafkaClient(config)
    this.fetcher = new Fetcher(config)
    this.appender = new Appender(this.kafka)
  }

  async append(
    topic: string,
    records: (LogRecord & { partition?: number })[],
    options: { fence?: Fence } = {},
  ): Promise<AppendedAt[]> {
    if (records.length === 0) return []
    assertFit(topic, records)
    const { fence } = options
    return this.mapped(async () => {
      if (!fence) {
        const count = records.every(({ partition }) => partition !== undefined) ? 1 : await this.partitions(topic)
        return this.appender.append(
          topic,
          records.map((record) => ({ ...record, partition: record.partition ?? partitionOf(record.key, count) })),
        )
      }
      assert(fence.topic === topic, 'the fence is of another topic')
      const placed = records.map((record) => {
        assert(
          (record.partition ?? fence.partition) === fence.partition,
          'a fenced append goes to the partition of its fence',
        )
        return { ...record, partition: fence.partition }
      })
      const places = await this.appender.appendFenced(topic, placed, fence)
      crashPoint('log.after-fenced-append', this.config.service)
      return places
    })
  }

  async read(topic: string, partition: number, fromOffset: bigint, options: ReadOptions = {}): Promise<ReadResult> {
    const { maxRecords = DEFAULT_MAX_RECORDS, waitMs = 0, signal } = options
    const ended = AbortSignal.any(signal ? [signal, this.closed.signal] : [this.closed.signal])
    const nothing: ReadResult = { records: [], nextOffset: fromOffset }
    const deadlineMs = performance.now() + waitMs
    for (;;) {
      if (ended.aborted) return nothing
      const leftMs = Math.max(0, deadlineMs - performance.now())
      const fetching = this.fetchFrom(topic, partition, fromOffset, Math.min(leftMs, FETCH_WAIT_MS))
      const fetched = await unlessAborted(fetching, ended)
      if (!fetched) return nothing
      // Control records alone also lead on: the caller comes again from behind them.
      if (fetched.nextOffset > fromOffset) return cut(fetched, maxRecords)
      if (performance.now() >= deadlineMs) return nothing
    }
  }

  latestOffsets(topic: string): Promise<bigint[]> {
    return this.mapped(async () => {
      const offsets = await this.withAdmin((admin) => admin.fetchTopicOffsets(topic))
      this.counts.set(topic, { count: offsets.length, readMs: performance.now() })
      return offsets.sort((a, b) => a.partition - b.partition).map(({ high }) => BigInt(high))
    })
  }

  async partitions(topic: string): Promise<number> {
    const known = this.counts.get(topic)
    if (known && performance.now() - known.readMs < PARTITIONS_TTL_MS) return known.count
    return (await this.latestOffsets(topic)).length
  }

  async subscribe(group: string, topics: string[], handler: SubscriptionHandler): Promise<Subscription> {
    const subscription = new KafkaSubscription({
      kafka: this.kafka,
      log: this,
      logger: this.config.logger,
      group,
      topics,
      handler,
      onClose: () => this.subscriptions.delete(subscription),
    })
    this.subscriptions.add(subscription)
    try {
      await subscription.start()
    } catch (error) {
      await subscription.close()
      throw asLogError(error)
    }
    return subscription
  }

  acquireFence(topic: string, partition: number, owner: string): Promise<Fence> {
    return this.mapped(() => this.appender.acquireFence(topic, partition, owner))
  }

  async close(): Promise<void> {
    await Promise.all([...this.subscriptions].map((subscription) => subscription.close()))
    this.closed.abort()
    const admin = await this.connectedAdmin?.catch(() => undefined)
    await Promise.allSettled([this.appender.close(), this.fetcher.close(), admin?.disconnect()])
  }

  private admin(): Promise<Admin> {
    if (!this.connectedAdmin) {
      const admin = this.kafka.admin()
      this.connectedAdmin = admin.connect().then(
        () => admin,
        (error: unknown) => {
          this.connectedAdmin = undefined
          throw error
        },
      )
    }
    return this.connectedAdmin
  }

  /** kafkajs keeps old news of who leads a partition here: after a failure a new connection asks again. */
  private async withAdmin<T>(run: (admin: Admin) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const admin = await this.admin()
      try {
        return await run(admin)
      } catch (error) {
        this.connectedAdmin = undefined
        admin.disconnect().catch(() => undefined)
        if (attempt === ADMIN_ATTEMPTS || this.closed.signal.aborted || !isTransient(asLogError(error))) throw error
        await pause(ADMIN_PAUSE_MS * attempt, this.closed.signal)
      }
    }
  }

  private fetchFrom(topic: string, partition: number, from: bigint, waitMs: number): Promise<ReadResult> {
    return this.mapped(async () => {
      try {
        return await this.fetcher.fetch(topic, partition, from, Math.floor(waitMs))
      } catch (error) {
        if (!(error instanceof Error && 'type' in error && error.type === 'OFFSET_OUT_OF_RANGE')) throw error
        // Below the start: retention has passed over it, go on at the start. Above the end: the log lost records, stand.
        const all = await this.withAdmin((admin) => admin.fetchTopicOffsets(topic))
        const own = all.find((each) => each.partition === partition)
        if (own && from < BigInt(own.low)) return { records: [], nextOffset: BigInt(own.low) }
        throw new Error(
          `${topic}/${partition} ends at ${own?.high}, before the position ${from}: the log lost records`,
          {
            cause: error,
          },
        )
      }
    })
  }

  private async mapped<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      throw asLogError(error)
    }
  }
}

function cut({ records, nextOffset }: ReadResult, maxRecords: number): ReadResult {
  const last = records[maxRecords - 1]
  if (!last || records.length === maxRecords) return { records, nextOffset }
  return { records: records.slice(0, maxRecords), nextOffset: last.offset + 1n }
}

/** The promise's value, or undefined as soon as the signal aborts; the promise then ends unobserved. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  promise.catch(() => undefined)
  let stop: (() => void) | undefined
  const aborted = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined)
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    if (stop) signal.removeEventListener('abort', stop)
  }
}
