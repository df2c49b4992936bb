import { crashPoint, DomainError, type Logger } from '@bitka/kernel'
import type { Db, Tx } from '@bitka/store'
import { noTracing, type Tracing, traceIdOf } from '@bitka/telemetry'
import type { Registry } from 'prom-client'
import {
  CursorMovedError,
  countParked,
  moveCursor,
  noteStop,
  type Place,
  parkRecord,
  readCursor,
  skipStopped,
} from './consumer-store.ts'
import { type EventMetrics, eventMetrics } from './metrics.ts'
import type { EventLog, RecordBatch, StoredRecord, Subscription } from './port.ts'
import { backoffMs, defaultRetry, isTransient, pause, type RetryPolicy, tookTooLong } from './retry.ts'
import { processing } from './spans.ts'

export type ConsumerOptions = {
  log: EventLog
  db: Db
  /** Names the cursor, so it never changes: "<service>.<purpose>". */
  group: string
  topics: string[]
  /**
   * True: a record that cannot be applied stops its partition, and status() says so. False: it is tried `retry.attempts`
   * times, then parked in dead_letters.
   */
  ordered: boolean
  /**
   * The effect of some records of one partition, in order. The cursor moves in the same transaction, so do nothing outside
   * of it that must not happen twice.
   */
  handle: (tx: Tx, records: StoredRecord[]) => Promise<void>
  logger: Logger
  /** The most records in one transaction; default 200. */
  maxBatch?: number
  retry?: RetryPolicy
  /** The most parked records of this group; then it stops rather than lose one. Default 1000. */
  maxDeadLetters?: number
  /** A stopped partition tries its record again this often, in case the cause has been repaired; default 30 s. */
  retryStoppedMs?: number
  metrics?: Registry
  /** Where spans go: one a record whose trace is recorded, as long as its transaction takes. */
  tracing?: Tracing
}

export type PartitionStatus = {
  topic: string
  partition: number
  nextOffset: bigint
  /** Age of the oldest record that was read but not applied; 0 when caught up. */
  behindMs: number
  stopped?: { offset: bigint; error: string; sinceMs: number }
}

export type ConsumerStatus = {
  /** False while a partition of this process is stopped. Goes into readiness. */
  healthy: boolean
  partitions: PartitionStatus[]
}

export type Consumer = {
  status(): ConsumerStatus
  /**
   * Passes one stopped record for good. `audit` runs in the same transaction.
   * @throws DomainError conflict when the partition is not stopped at exactly that record
   */
  skip(topic: string, partition: number, offset: bigint, audit: (tx: Tx) => Promise<void>): Promise<void>
  /** Waits for the transaction in progress. */
  stop(): Promise<void>
}

/** Waits between tries when the database or the log is away: no attempt is counted, and none is the last. */
const outagePolicy = { attempts: Number.POSITIVE_INFINITY, baseMs: 200, maxMs: 10_000 }

/** Applies the records of some topics, each exactly once, in order per partition. One process at a time has a partition. */
export async function startConsumer(options: ConsumerOptions): Promise<Consumer> {
  const consumer = new GroupConsumer(options)
  await consumer.start()
  return consumer
}

type State = PartitionStatus & { wake?: () => void }

class GroupConsumer implements Consumer {
  private readonly states = new Map<string, State>()
  private readonly metrics: EventMetrics | undefined
  private subscription: Subscription | undefined

  constructor(private readonly options: ConsumerOptions) {
    this.metrics = options.metrics && eventMetrics(options.metrics)
  }

  async start(): Promise<void> {
    const { log, group, topics } = this.options
    this.subscription = await log.subscribe(group, topics, {
      position: (topic, partition) => this.position({ group, topic, partition }),
      onRecords: (batch) => this.onRecords(batch),
      onRevoked: (topic, partition) => this.forget(topic, partition),
    })
    this.metrics?.lagSources.add(this.lags)
    this.metrics?.parkedSources.add(this.parked)
  }

  status(): ConsumerStatus {
    const partitions = [...this.states.values()].map(({ wake: _, ...status }) => status)
    return { healthy: partitions.every(({ stopped }) => stopped === undefined), partitions }
  }

  async skip(topic: string, partition: number, offset: bigint, audit: (tx: Tx) => Promise<void>): Promise<void> {
    const { db, group, logger } = this.options
    await db.transaction(async (tx) => {
      if (!(await skipStopped(tx, { group, topic, partition }, offset))) {
        throw new DomainError('conflict', 'The consumer is not stopped at that record.')
      }
      await audit(tx)
    })
    logger.warn({ group, topic, partition, offset: String(offset) }, 'an operator skipped a record')
    this.states.get(`${topic}/${partition}`)?.wake?.()
  }

  async stop(): Promise<void> {
    this.metrics?.lagSources.delete(this.lags)
    this.metrics?.parkedSources.delete(this.parked)
    await this.subscription?.close()
  }

  private async position(place: Place): Promise<bigint> {
    const nextOffset = await readCursor(this.options.db, place)
    const { topic, partition } = place
    this.states.set(`${topic}/${partition}`, { topic, partition, nextOffset, behindMs: 0 })
    return nextOffset
  }

  private forget(topic: string, partition: number): void {
    this.metrics?.stopped.remove(this.labels(topic, partition))
    this.states.delete(`${topic}/${partition}`)
  }

  private async onRecords(batch: RecordBatch): Promise<void> {
    const { maxBatch = 200 } = this.options
    const state = this.stateOf(batch)
    for (let at = 0; at < batch.records.length; at += maxBatch) {
      const records = batch.records.slice(at, at + maxBatch)
      const oldest = records[0]
      if (oldest) state.behindMs = Math.max(0, Date.now() - oldest.timestampMs)
      await this.apply(batch, state, records, batch.records[at + maxBatch]?.offset ?? batch.nextOffset)
    }
    state.behindMs = 0
  }

  /** Applies records as one; when they fail together, halves them until the one that cannot be applied is alone. */
  private async apply(batch: RecordBatch, state: State, records: StoredRecord[], nextOffset: bigint): Promise<void> {
    const failure = await this.tryOnce(batch, state, records, nextOffset)
    if (failure === undefined) return
    const [only] = records
    if (records.length === 1 && only) return this.applyFailing(batch, state, only, nextOffset, failure.error)
    const half = Math.ceil(records.length / 2)
    await this.apply(batch, state, records.slice(0, half), records[half]?.offset ?? nextOffset)
    await this.apply(batch, state, records.slice(half), nextOffset)
  }

  /** The effect of some records, again for as long as only the surroundings fail. Answers the failure that they caused. */
  private async tryOnce(
    batch: RecordBatch,
    state: State,
    records: StoredRecord[],
    nextOffset: bigint,
  ): Promise<{ error: unknown } | undefined> {
    const isDivisible = records.length > 1
    const { tracing = noTracing, group, handle } = this.options
    const traced = processing(tracing, group, records)
    const failure = await this.outlast(
      batch,
      state,
      nextOffset,
      (tx) => handle(tx, traced.records),
      // A batch that is too much for one transaction stays too much: half of it may not be.
      (error) => isDivisible && tookTooLong(error),
    ).catch((error: unknown) => {
      traced.end(error)
      throw error
    })
    traced.end(failure?.error)
    if (failure === undefined) this.metrics?.consumed.inc(this.labels(batch.topic, batch.partition), records.length)
    return failure
  }

  /** One transaction, again until the surroundings let it through. Answers any other failure, and one to give up at. */
  private async outlast(
    batch: RecordBatch,
    state: State,
    nextOffset: bigint,
    effect: (tx: Tx) => Promise<void>,
    givesUp: (error: unknown) => boolean = () => false,
  ): Promise<{ error: unknown } | undefined> {
    const { group, logger } = this.options
    const { topic, partition, signal } = batch
    for (let outages = 1; ; outages += 1) {
      try {
        await this.commit(batch, state, nextOffset, effect)
        return undefined
      } catch (error) {
        if (signal.aborted || error instanceof CursorMovedError) throw error
        if (!isTransient(error) || givesUp(error)) return { error }
        logger.warn({ err: error, group, topic, partition, outages }, 'consumer waits for its surroundings')
        await pause(backoffMs(outagePolicy, outages), signal)
        if (signal.aborted) throw error
      }
    }
  }

  private async commit(
    { topic, partition }: RecordBatch,
    state: State,
    nextOffset: bigint,
    effect: (tx: Tx) => Promise<void>,
  ): Promise<void> {
    const { db, group } = this.options
    await db.transaction(async (tx) => {
      await moveCursor(tx, { group, topic, partition }, state.nextOffset, nextOffset)
      await effect(tx)
      crashPoint('consumer.before-commit', group)
    })
    crashPoint('consumer.after-commit', group)
    state.nextOffset = nextOffset
  }

  private async applyFailing(
    batch: RecordBatch,
    state: State,
    record: StoredRecord,
    nextOffset: bigint,
    firstError: unknown,
  ): Promise<void> {
    const { ordered, retry = defaultRetry, logger, group } = this.options
    const where = {
      group,
      topic: batch.topic,
      partition: batch.partition,
      offset: String(record.offset),
      ...traceOf(record),
    }
    if (ordered)
      return this.standStill(batch, state, record, firstError, () => this.tryOnce(batch, state, [record], nextOffset))
    let error = firstError
    for (let attempt = 1; attempt < retry.attempts; attempt += 1) {
      this.metrics?.retries.inc(this.labels(batch.topic, batch.partition))
      logger.warn({ err: error, ...where, attempt }, 'a record could not be applied; trying again')
      await pause(backoffMs(retry, attempt), batch.signal)
      if (batch.signal.aborted) throw error
      const failure = await this.tryOnce(batch, state, [record], nextOffset)
      if (failure === undefined) return
      error = failure.error
    }
    logger.error({ err: error, ...where, attempts: retry.attempts }, 'a record could not be applied; parking it')
    const failure = await this.park(batch, state, record, nextOffset, error)
    if (failure === undefined) return
    // No room: stop rather than lose it. Each later try applies or parks it.
    await this.standStill(batch, state, record, failure.error, async () => {
      const again = await this.tryOnce(batch, state, [record], nextOffset)
      return again && this.park(batch, state, record, nextOffset, again.error)
    })
  }

  private async park(
    batch: RecordBatch,
    state: State,
    record: StoredRecord,
    nextOffset: bigint,
    cause: unknown,
  ): Promise<{ error: unknown } | undefined> {
    const { group, retry = defaultRetry, maxDeadLetters: max = 1000 } = this.options
    const failure = await this.outlast(batch, state, nextOffset, async (tx) => {
      const parked = await parkRecord(tx, group, record, { error: textOf(cause), attempts: retry.attempts, max })
      if (!parked)
        throw new Error(`dead_letters holds ${max} records of ${group}; the record failed with: ${textOf(cause)}`)
    })
    if (failure) return failure
    this.metrics?.parked.inc(this.labels(batch.topic, batch.partition))
    return undefined
  }

  /** Stays at a record until it can be applied, an operator skips it, or the partition is taken away. */
  private async standStill(
    batch: RecordBatch,
    state: State,
    record: StoredRecord,
    firstError: unknown,
    again: () => Promise<{ error: unknown } | undefined>,
  ): Promise<void> {
    const { db, group, logger, retryStoppedMs = 30_000 } = this.options
    const { topic, partition, signal } = batch
    const place = { group, topic, partition }
    const sinceMs = Date.now()
    let error = firstError
    this.metrics?.stopped.set(this.labels(topic, partition), 1)
    try {
      for (;;) {
        state.stopped = { offset: record.offset, error: textOf(error), sinceMs }
        logger.error(
          { err: error, ...place, offset: String(record.offset), ...traceOf(record) },
          'consumer stopped at a record',
        )
        await noteStop(db, place, record.offset, textOf(error)).catch(() => undefined)
        await this.waitForSkip(place, state, signal, retryStoppedMs)
        if (signal.aborted) throw new CursorMovedError('the partition was taken away while it was stopped')
        const failure = await again()
        if (failure === undefined) return
        error = failure.error
      }
    } finally {
      delete state.stopped
      this.metrics?.stopped.set(this.labels(topic, partition), 0)
    }
  }

  private async waitForSkip(place: Place, state: State, signal: AbortSignal, ms: number): Promise<void> {
    const untilMs = performance.now() + ms
    while (!signal.aborted && performance.now() < untilMs) {
      const nap = new AbortController()
      state.wake = () => nap.abort()
      await pause(Math.min(1_000, untilMs - performance.now()), AbortSignal.any([signal, nap.signal]))
      // Another process of the service may have taken the operator's command.
      const stored = await readCursor(this.options.db, place).catch(() => state.nextOffset)
      if (stored !== state.nextOffset) throw new CursorMovedError('an operator skipped the record')
    }
  }

  private stateOf({ topic, partition }: RecordBatch): State {
    const state = this.states.get(`${topic}/${partition}`)
    if (!state) throw new CursorMovedError('records came before the position was asked for')
    return state
  }

  private labels(topic: string, partition: number): { group: string; topic: string; partition: string } {
    return { group: this.options.group, topic, partition: String(partition) }
  }

  private readonly parked = async () => ({
    group: this.options.group,
    records: await countParked(this.options.db, this.options.group),
  })

  private readonly lags = async () => {
    const owned = [...this.states.values()]
    const ends = new Map<string, bigint[]>()
    for (const topic of new Set(owned.map((state) => state.topic)))
      ends.set(topic, await this.options.log.latestOffsets(topic))
    return owned.map(({ topic, partition, nextOffset }) => ({
      ...this.labels(topic, partition),
      records: Math.max(0, Number((ends.get(topic)?.[partition] ?? nextOffset) - nextOffset)),
    }))
  }
}

/** For logs: the trace that the record belongs to. */
const traceOf = ({ headers }: StoredRecord): { trace_id?: string } =>
  headers.traceparent === undefined ? {} : { trace_id: traceIdOf(headers.traceparent) }

const textOf = (error: unknown): string =>
  (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 2000)
