import { type EventLog, type Fence, processing, publishing, type RecordBatch, type StoredRecord } from '@bitka/events'
import { crashPoint, type Logger } from '@bitka/kernel'
import type { Db } from '@bitka/store'
import { noTracing, type Tracing } from '@bitka/telemetry'
import { GROUP, RESULTS } from '../events/topics.ts'
import { type Place, saveImages } from '../store/snapshots.ts'
import type { Board, Produced } from './board.ts'
import type { MatchingMetrics } from './metrics.ts'

export type PartitionDeps = {
  log: EventLog
  db: Db
  logger: Logger
  /** Commands between two snapshots. */
  snapshotEvery: number
  metrics: MatchingMetrics
  /** Where spans go; nowhere unless given. */
  tracing?: Tracing
}

/** A partition that this process has taken over: commands in, results appended under its fence. */
export class OwnedPartition {
  /** False while there is state whose results may not be in the log. Once an append has failed it stays so. */
  private isDurable = true
  private sinceSnapshot = 0
  private storedInput: bigint
  private writing: Promise<void> | undefined
  private readonly tracing: Tracing

  constructor(
    private readonly deps: PartitionDeps,
    readonly board: Board,
    private readonly fence: Fence,
    private readonly place: Place,
  ) {
    this.storedInput = place.inputOffset
    this.tracing = deps.tracing ?? noTracing
  }

  get partition(): number {
    return this.fence.partition
  }

  /** The offset of the next command. */
  get position(): bigint {
    return this.place.inputOffset
  }

  /** Applies a batch of commands and appends all that came of it at once. */
  async onRecords({ records, nextOffset }: Pick<RecordBatch, 'records' | 'nextOffset'>): Promise<void> {
    this.isDurable = false
    const traced = processing(this.tracing, GROUP, records)
    try {
      const produced = traced.records.flatMap((record) => this.match(record) ?? [])
      await this.commit(produced, nextOffset)
      traced.end()
    } catch (error) {
      traced.end(error)
      throw error
    }
    this.snapshotWhenDue()
  }

  private match(record: StoredRecord): Produced | undefined {
    const span = this.tracing.enabled ? this.tracing.span('match', record.headers.traceparent) : undefined
    const produced = this.board.apply(record)
    span?.end()
    return produced
  }

  /** Appends results; when it resolves everything before `nextOffset` has had its effect. */
  async commit(produced: readonly Produced[], nextOffset: bigint, replayed = 0): Promise<void> {
    const { log, metrics } = this.deps
    const { partition } = this
    this.isDurable = false
    if (produced.length > 0) {
      crashPoint('matching.applied', 'matching')
      const records = produced.map(({ record }) => ({ ...record, partition }))
      const traced = publishing(this.tracing, RESULTS, records)
      const places = await log.append(RESULTS, traced.records, { fence: this.fence })
      traced.end()
      crashPoint('matching.appended', 'matching')
      // The last one itself and not the place behind it: offsets may have gaps, and a replay passes over it.
      this.place.outputOffset = places.at(-1)?.offset ?? this.place.outputOffset
      metrics.results.inc({ partition }, produced.length)
    }
    metrics.commands.inc({ partition }, produced.length + replayed)
    this.place.inputOffset = nextOffset
    this.sinceSnapshot += produced.length + replayed
    this.isDurable = true
  }

  /** Starts to store a snapshot, off the path of the commands, when enough of them have passed. */
  snapshotWhenDue(): void {
    if (this.sinceSnapshot < this.deps.snapshotEvery || this.writing) return
    this.writing = this.snapshot().finally(() => {
      this.writing = undefined
    })
  }

  /** The last snapshot of a clean stop. */
  async close(): Promise<void> {
    await this.writing
    if (this.place.inputOffset > this.storedInput) await this.snapshot()
  }

  /**
   * Stores all markets at the place where they are now. Not while one is stopped: its state may be wrong, and without it the
   * others could not be restored at one place. A failure costs a longer replay, so it is only logged.
   */
  private async snapshot(): Promise<void> {
    const { db, logger } = this.deps
    const { board, partition } = this
    if (!this.isDurable || board.hasStopped) return
    const place = { ...this.place }
    const images = board.images()
    this.sinceSnapshot = 0
    try {
      crashPoint('matching.snapshot.before', 'matching')
      await saveImages(db, partition, place, images)
      crashPoint('matching.snapshot.after', 'matching')
      this.storedInput = place.inputOffset
      this.noteStored(images)
    } catch (error) {
      this.noteStored(images.map(({ symbol }) => ({ symbol, commandSeq: -1 })))
      logger.warn({ err: error, partition }, 'a snapshot could not be stored')
    }
  }

  private noteStored(images: readonly { symbol: string; commandSeq: number }[]): void {
    for (const { symbol, commandSeq } of images) {
      const market = this.board.find(symbol)
      if (market) market.storedSeq = commandSeq
    }
  }
}
