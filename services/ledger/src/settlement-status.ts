import type { EventLog } from '@bitka/events'
import type { Clock, Logger } from '@bitka/kernel'
import { Loop } from '@bitka/kernel'
import type { Db } from '@bitka/store'
import type { MarketPosition } from './domain/items.ts'
import type { Position } from './domain/model.ts'
import { type Cursor, selectCursors } from './store/cursors.ts'
import { allPositions, selectPositions } from './store/positions.ts'

/** How one partition of the results stands. */
export type PartitionSettlement = { partition: number; lagMs: number; stopped: boolean }

type Options = { db: Db; eventLog: EventLog; clock: Clock; log: Logger; group: string; topic: string }

/** How often the lag is measured. Order refuses at 10 s, so half a second more or less is nothing. */
const MEASURE_MS = 500
/** Another process may have settled: look at least this often. */
const POLL_MS = 50

/** How far settlement has come, measured from the log itself, so that it is right in every process of the ledger. */
export class SettlementStatus {
  private readonly loop: Loop
  private measured: PartitionSettlement[] = []
  private readonly waiting = new Set<() => void>()

  constructor(private readonly options: Options) {
    this.loop = new Loop({ name: 'ledger.settlement-lag', intervalMs: MEASURE_MS, log: options.log }, () =>
      this.measure(),
    )
  }

  /** As it was up to half a second ago. */
  partitions(): readonly PartitionSettlement[] {
    return this.measured
  }

  markets(): Promise<Position[]> {
    return allPositions(this.options.db)
  }

  /** Called when this process has settled something. */
  settled(): void {
    for (const wake of [...this.waiting]) wake()
  }

  /** Waits until every market is settled as far as said; false when `ms` pass before. */
  async reaches(shown: readonly MarketPosition[], ms: number): Promise<boolean> {
    const until = performance.now() + ms
    for (;;) {
      const positions = await selectPositions(
        this.options.db,
        shown.map(({ symbol }) => symbol),
      )
      const numbers = new Map(positions.map(({ symbol, resultNumber }) => [symbol, resultNumber]))
      if (shown.every(({ symbol, resultNumber }) => (numbers.get(symbol) ?? 0n) >= resultNumber)) return true
      const left = until - performance.now()
      if (left <= 0) return false
      await this.nextSettled(Math.min(left, POLL_MS))
    }
  }

  async stop(): Promise<void> {
    await this.loop.stop()
    this.settled()
  }

  private nextSettled(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer)
        this.waiting.delete(finish)
        resolve()
      }
      const timer = setTimeout(finish, ms)
      this.waiting.add(finish)
    })
  }

  private async measure(): Promise<void> {
    const { db, eventLog, group, topic } = this.options
    const [ends, cursors] = [await eventLog.latestOffsets(topic), await selectCursors(db, group, topic)]
    const byPartition = new Map(cursors.map((cursor) => [cursor.partition, cursor]))
    this.measured = await Promise.all(
      ends.map((end, partition) => this.measureOne(partition, end, byPartition.get(partition))),
    )
  }

  private async measureOne(partition: number, end: bigint, cursor: Cursor | undefined): Promise<PartitionSettlement> {
    const next = cursor?.nextOffset ?? 0n
    const stopped = cursor?.stopped ?? false
    if (next >= end) return { partition, lagMs: 0, stopped }
    const { records } = await this.options.eventLog.read(this.options.topic, partition, next, { maxRecords: 1 })
    const [oldest] = records
    const lagMs = oldest ? Math.max(0, this.options.clock.nowMs() - oldest.timestampMs) : 0
    return { partition, lagMs, stopped }
  }
}
