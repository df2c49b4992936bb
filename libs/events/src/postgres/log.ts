import { assert, crashPoint, type Logger } from '@bitka/kernel'
import pg from 'pg'
import { partitionOf } from '../partitioner.ts'
import {
  type AppendedAt,
  type EventLog,
  type Fence,
  ForbiddenTopicError,
  type LogRecord,
  type ReadOptions,
  type ReadResult,
  type Subscription,
  type SubscriptionHandler,
} from '../port.ts'
import { assertFit } from '../record-size.ts'
import { asLogError } from './errors.ts'
import { Session } from './session.ts'
import { PostgresSubscription } from './subscription.ts'

export type PostgresLogConfig = {
  /** postgres:// URL of the service's own role: the log knows the service by it. No transaction-pooling proxy in between. */
  url: string
  /** The service's name, for pg_stat_activity and logs. */
  service: string
  logger: Logger
  /** The most connections for appends and reads, beside the one of the session; default 4. */
  poolSize?: number
}

/** How long a topic's number of partitions is believed. */
const PARTITIONS_TTL_MS = 10_000
const DEFAULT_MAX_RECORDS = 500

/** Opens the log in PostgreSQL. Connects when first used. */
export const openPostgresLog = (config: PostgresLogConfig): EventLog => new PostgresLog(config)

class PostgresLog implements EventLog {
  private readonly pool: pg.Pool
  private readonly session: Session
  private readonly subscriptions = new Set<PostgresSubscription>()
  private readonly counts = new Map<string, { count: number; readMs: number }>()

  constructor(private readonly config: PostgresLogConfig) {
    const applicationName = `${config.service} log`
    this.pool = new pg.Pool({
      connectionString: config.url,
      max: config.poolSize ?? 4,
      application_name: applicationName,
      connectionTimeoutMillis: 5_000,
      statement_timeout: 10_000,
      lock_timeout: 5_000,
      keepAlive: true,
      options: '-c search_path=event_log,pg_temp',
    })
    this.pool.on('error', (error) => config.logger.warn({ err: error }, 'lost an idle connection of the log'))
    this.pool.on('connect', (client) => client.on('error', () => undefined))
    this.session = new Session({ url: config.url, applicationName, logger: config.logger })
  }

  async append(
    topic: string,
    records: (LogRecord & { partition?: number })[],
    options: { fence?: Fence } = {},
  ): Promise<AppendedAt[]> {
    if (records.length === 0) return []
    assertFit(topic, records)
    const { fence } = options
    const partitions = await this.choose(topic, records, fence)
    const { rows } = await this.query<{ o_partition: number; o_offset: string }>(
      'append-records',
      'select o_partition, o_offset from event_log.append_records($1, $2::int[], $3::text[], $4::text[], $5::bytea[], $6)',
      [
        topic,
        partitions,
        records.map((record) => record.key),
        records.map((record) => JSON.stringify(record.headers)),
        records.map(({ value }) => Buffer.from(value.buffer, value.byteOffset, value.byteLength)),
        fence?.token ?? null,
      ],
    )
    if (fence) crashPoint('log.after-fenced-append', this.config.service)
    const ends = new Map<number, bigint>()
    const placed = rows.map((row) => ({ partition: row.o_partition, offset: BigInt(row.o_offset) }))
    for (const { partition, offset } of placed) ends.set(partition, offset + 1n)
    for (const [partition, end] of ends) this.session.announce(topic, partition, end)
    return placed
  }

  async read(topic: string, partition: number, fromOffset: bigint, options: ReadOptions = {}): Promise<ReadResult> {
    const { maxRecords = DEFAULT_MAX_RECORDS, waitMs = 0, signal } = options
    const deadlineMs = performance.now() + waitMs
    // At the end already, by the last news: asking again would only cost a round trip.
    let atEnd = waitMs > 0 && this.session.endsAt(topic, partition, fromOffset)
    for (;;) {
      if (signal?.aborted) return { records: [], nextOffset: fromOffset }
      const version = this.session.version(topic, partition)
      if (!atEnd) {
        const result = await this.readNow(topic, partition, fromOffset, maxRecords)
        if (result.records.length < maxRecords) this.session.sawEnd(topic, partition, result.nextOffset, version)
        if (result.records.length > 0) return result
      }
      atEnd = false
      const leftMs = deadlineMs - performance.now()
      if (leftMs <= 0) return { records: [], nextOffset: fromOffset }
      await this.session.waitFor({ topic, partition, from: fromOffset, version }, leftMs, signal)
    }
  }

  async latestOffsets(topic: string): Promise<bigint[]> {
    const { rows } = await this.query<{ o_partition: number; o_next_offset: string }>(
      'topic-ends',
      'select o_partition, o_next_offset from event_log.topic_ends($1)',
      [[topic]],
    )
    if (rows.length === 0) throw new ForbiddenTopicError(`${this.config.service} may not use topic ${topic}`)
    this.counts.set(topic, { count: rows.length, readMs: performance.now() })
    return rows.map((row) => BigInt(row.o_next_offset))
  }

  async partitions(topic: string): Promise<number> {
    const known = this.counts.get(topic)
    if (known && performance.now() - known.readMs < PARTITIONS_TTL_MS) return known.count
    return (await this.latestOffsets(topic)).length
  }

  async subscribe(group: string, topics: string[], handler: SubscriptionHandler): Promise<Subscription> {
    const subscription = new PostgresSubscription({
      log: this,
      session: this.session,
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

  async acquireFence(topic: string, partition: number, owner: string): Promise<Fence> {
    const { rows } = await this.query<{ token: string }>(
      'acquire-fence',
      'select event_log.acquire_fence($1, $2, $3) as token',
      [topic, partition, owner],
    )
    return { topic, partition, owner, token: BigInt(rows[0]?.token ?? 0) }
  }

  async close(): Promise<void> {
    await Promise.all([...this.subscriptions].map((subscription) => subscription.close()))
    await this.session.close()
    await this.pool.end()
  }

  private async choose(
    topic: string,
    records: (LogRecord & { partition?: number })[],
    fence?: Fence,
  ): Promise<number[]> {
    if (fence) {
      assert(fence.topic === topic, 'the fence is of another topic')
      for (const { partition } of records) {
        assert(
          partition === undefined || partition === fence.partition,
          'a fenced append goes to the partition of its fence',
        )
      }
      return records.map(() => fence.partition)
    }
    if (records.every(({ partition }) => partition !== undefined)) return records.map(({ partition = 0 }) => partition)
    const count = await this.partitions(topic)
    return records.map(({ partition, key }) => partition ?? partitionOf(key, count))
  }

  private async readNow(topic: string, partition: number, from: bigint, maxRecords: number): Promise<ReadResult> {
    const { rows } = await this.query<{
      o_offset: string
      o_appended_ms: string
      o_key: string
      o_headers: Record<string, string>
      o_value: Buffer
    }>(
      'read-records',
      'select o_offset, o_appended_ms, o_key, o_headers, o_value from event_log.read_records($1, $2, $3, $4)',
      [topic, partition, from, maxRecords],
    )
    const records = rows.map((row) => ({
      topic,
      partition,
      offset: BigInt(row.o_offset),
      timestampMs: Number(row.o_appended_ms),
      key: row.o_key,
      headers: row.o_headers,
      value: row.o_value,
    }))
    const last = records.at(-1)
    return { records, nextOffset: last ? last.offset + 1n : from }
  }

  private async query<R extends pg.QueryResultRow>(
    name: string,
    text: string,
    values: unknown[],
  ): Promise<pg.QueryResult<R>> {
    try {
      // Named: prepared once a connection.
      return await this.pool.query<R>({ name, text, values })
    } catch (error) {
      throw asLogError(error)
    }
  }
}
