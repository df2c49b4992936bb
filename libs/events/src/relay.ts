import { crashPoint, type Logger, Loop } from '@bitka/kernel'
import type { Db, Queryable } from '@bitka/store'
import { noTracing, type Tracing } from '@bitka/telemetry'
import type { PoolClient } from 'pg'
import type { Registry } from 'prom-client'
import { type EventMetrics, eventMetrics } from './metrics.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { onOutboxCommit } from './outbox.ts'
import type { EventLog, LogRecord } from './port.ts'
import { backoffMs, pause } from './retry.ts'
import { publishing } from './spans.ts'
import type { ServiceName } from './topics.ts'

export type RelayOptions = {
  db: Db
  log: EventLog
  logger: Logger
  /** Goes into the header `producer`. */
  service: ServiceName
  /** The most rows in one round; default 500. */
  batch?: number
  /** How often to look without being woken; default 200 ms. */
  intervalMs?: number
  metrics?: Registry
  /** Where spans go: from an event's commit until it is in the log. */
  tracing?: Tracing
  /**
   * Run each time this process becomes the one relay, before it sends: compare with the log, and clear `sent_at` of the
   * rows that the log lost (see readLast).
   */
  beforeFirstRun?: (context: { query: Queryable; log: EventLog }) => Promise<void>
}

export type Relay = {
  wake(): void
  /** Age of the oldest row that is not in the log yet; 0 when there is none. Costs nothing: known from the last round. */
  oldestUnsentAgeMs(topic: string): number
  /** True while this process is the one that sends. */
  isLeader(): boolean
  /** Waits for the round in progress; unsent rows stay for the next start. */
  stop(): Promise<void>
}

type Row = {
  id: string
  topic: string
  partition: number | null
  key: string
  headers: Record<string, string>
  value: Buffer
  created_ms: string
  age_ms: string
}

/** Pauses after a failed round or topic: quick at first, since creates are refused while commands wait. */
const failurePolicy = { attempts: Number.POSITIVE_INFINITY, baseMs: 250, maxMs: 5_000 }

/** Sends the outbox to the log, in id order per topic, from one process at a time. Resolves when it has begun. */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  return new OutboxRelay(options)
}

class OutboxRelay implements Relay {
  private readonly loop: Loop
  private readonly metrics: EventMetrics | undefined
  /** Holds the advisory lock. All of the relay's SQL runs on it, so a relay that lost the lock can mark nothing. */
  private client: PoolClient | undefined
  private leader = false
  private readonly inTurn = oneAtATime()
  private forget: (() => void) | undefined
  private failures = 0
  /** Topic → since when its oldest row waits, by performance.now(). */
  private oldest = new Map<string, number>()
  /** Topics that are being sent: none waits for another, and no row is sent twice at once. */
  private readonly sending = new Map<string, Promise<void>>()
  /** Topics whose last append failed, so that one refused topic does not hold up the others. */
  private readonly blocked = new Map<string, { failures: number; untilMs: number }>()

  constructor(private readonly options: RelayOptions) {
    this.metrics = options.metrics && eventMetrics(options.metrics)
    this.metrics?.ageSources.add(this.ages)
    const { intervalMs = 200, logger, service } = options
    this.loop = new Loop({ name: `${service}.outbox-relay`, intervalMs, log: logger }, (signal) => this.run(signal))
  }

  wake(): void {
    this.loop.wake()
  }

  isLeader(): boolean {
    return this.leader
  }

  oldestUnsentAgeMs(topic: string): number {
    const since = this.oldest.get(topic)
    return since === undefined ? 0 : Math.max(0, performance.now() - since)
  }

  async stop(): Promise<void> {
    await this.loop.stop()
    await Promise.all(this.sending.values())
    this.metrics?.ageSources.delete(this.ages)
    this.disconnect()
  }

  private readonly ages = (): { service: string; topic: string; ageMs: number }[] =>
    [...this.oldest.keys()].map((topic) => ({
      service: this.options.service,
      topic,
      ageMs: this.oldestUnsentAgeMs(topic),
    }))

  private async run(signal: AbortSignal): Promise<boolean> {
    try {
      const client = this.client ?? (await this.connect())
      if (!this.leader && !(await this.lead(client))) {
        await this.watch(client)
        return false
      }
      await this.sendRound(client)
      this.failures = 0
      return false
    } catch (error) {
      if (signal.aborted) return false
      this.failures += 1
      this.options.logger.warn({ err: error, failures: this.failures }, 'outbox relay round failed')
      this.disconnect()
      await pause(backoffMs(failurePolicy, this.failures), signal)
      return false
    }
  }

  private async connect(): Promise<PoolClient> {
    const client = await this.options.db.pool.connect()
    client.on('error', this.lost)
    this.client = client
    // A lost mark only sends its rows again; waiting for the disk on each round would cost more.
    const { rows } = await client.query<{ schema: string }>(
      `select current_schema()::text as schema, set_config('synchronous_commit', 'off', false)`,
    )
    this.forget = onOutboxCommit(rows[0]?.schema ?? '', () => this.loop.wake())
    return client
  }

  private readonly lost = (): void => this.disconnect()

  private disconnect(): void {
    const { client } = this
    this.client = undefined
    this.leader = false
    this.forget?.()
    if (!client) return
    client.off('error', this.lost)
    // The client may fail once more while it closes, and nobody listens any longer.
    client.on('error', () => {})
    client.release(true)
  }

  private async lead(client: PoolClient): Promise<boolean> {
    const { rows } = await client.query<{ locked: boolean }>(
      `select pg_try_advisory_lock(hashtextextended('outbox relay ' || current_schema(), 0)) as locked`,
    )
    if (rows[0]?.locked !== true) return false
    try {
      await this.options.beforeFirstRun?.({ query: client, log: this.options.log })
    } catch (error) {
      // It may refuse for long, and back-pressure needs the ages meanwhile.
      await this.watch(client)
      throw error
    }
    this.leader = true
    this.options.logger.info('this process sends the outbox')
    return true
  }

  /** Another process sends: only keep the ages true, since back-pressure is decided in every process. */
  private async watch(client: PoolClient): Promise<void> {
    const { rows } = await client.query<{ topic: string; age_ms: string }>(
      `select topic, extract(epoch from clock_timestamp() - min(created_at)) * 1000 as age_ms
       from outbox where sent_at is null group by topic`,
    )
    this.oldest = new Map(rows.map((row) => [row.topic, performance.now() - Number(row.age_ms)]))
  }

  /** Sends what is there of each topic that is not being sent already. */
  private async sendRound(client: PoolClient): Promise<void> {
    const { batch = 500 } = this.options
    const nowMs = performance.now()
    const failing = [...this.blocked].filter(([, { untilMs }]) => untilMs > nowMs).map(([topic]) => topic)
    const held = [...failing, ...this.sending.keys()]
    const select = `select outbox.id::text, topic, partition, key, headers, value,
         (extract(epoch from created_at) * 1000)::bigint::text as created_ms,
         extract(epoch from clock_timestamp() - created_at) * 1000 as age_ms
       from outbox where sent_at is null and topic <> all ($1::text[]) order by outbox.id limit $2`
    // The connection takes one query at a time, and may be marking what another topic has sent.
    const { rows } = await this.inTurn(() => client.query<Row>(select, [held, batch]))
    const byTopic = new Map<string, Row[]>()
    for (const row of rows) {
      const group = byTopic.get(row.topic)
      if (group) group.push(row)
      else byTopic.set(row.topic, [row])
    }
    const oldest = new Map(held.map((topic) => [topic, this.oldest.get(topic) ?? nowMs]))
    for (const [topic, group] of byTopic) {
      oldest.set(topic, performance.now() - Math.max(...group.map((row) => Number(row.age_ms))))
    }
    this.oldest = oldest
    for (const [topic, group] of byTopic) {
      const sent = this.sendTopic(topic, group, (ids) => this.inTurn(() => this.mark(client, ids))).then(
        (done) => {
          this.sending.delete(topic)
          // More may have come meanwhile.
          if (done) this.loop.wake()
        },
        (error: unknown) => {
          this.sending.delete(topic)
          this.options.logger.warn({ err: error, topic }, 'sent rows could not be marked; they are sent again')
          if (client === this.client) this.disconnect()
        },
      )
      this.sending.set(topic, sent)
    }
  }

  /** Answers whether the topic's rows are in the log and marked. Only a failed mark rejects: it loses the connection. */
  private async sendTopic(topic: string, rows: Row[], mark: (ids: string[]) => Promise<void>): Promise<boolean> {
    const { log, service, logger, tracing = noTracing } = this.options
    const records = rows.map((row) => toRecord(row, service))
    const traced = publishing(tracing, topic, records, ({ headers }) => Date.parse(headers.time ?? ''))
    try {
      await log.append(topic, traced.records)
      traced.end()
      this.blocked.delete(topic)
    } catch (error) {
      traced.end(error)
      const failures = (this.blocked.get(topic)?.failures ?? 0) + 1
      const waitMs = backoffMs(failurePolicy, failures)
      this.blocked.set(topic, { failures, untilMs: performance.now() + waitMs })
      logger.error({ err: error, topic, rows: rows.length, failures, waitMs }, 'outbox rows could not be sent')
      return false
    }
    crashPoint('relay.after-append', service)
    await mark(rows.map(({ id }) => id))
    crashPoint('relay.after-mark', service)
    this.oldest.delete(topic)
    this.metrics?.outboxSent.inc({ service, topic }, rows.length)
    return true
  }

  private async mark(client: PoolClient, ids: string[]): Promise<void> {
    await client.query('update outbox set sent_at = clock_timestamp() where id = any ($1::bigint[])', [ids])
  }
}

const toRecord = (row: Row, producer: ServiceName): LogRecord & { partition?: number } => ({
  key: row.key,
  headers: { ...row.headers, producer, time: new Date(Number(row.created_ms)).toISOString() },
  value: row.value,
  ...(row.partition === null ? {} : { partition: row.partition }),
})
