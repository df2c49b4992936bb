import { hostname } from 'node:os'
import { type EventLog, FencedError, type RecordBatch, type Subscription } from '@bitka/events'
import { assert, DomainError, Loop, newId } from '@bitka/kernel'
import { COMMANDS, GROUP } from '../events/topics.ts'
import type { Board } from './board.ts'
import type { Market } from './market.ts'
import type { Lag } from './metrics.ts'
import type { OwnedPartition, PartitionDeps } from './owned-partition.ts'
import { takeOver } from './take-over.ts'

/** The pause before a process that lost a partition asks for partitions again, or tries to subscribe again. */
const SUBSCRIBE_AGAIN_MS = 1_000

/** A market, with the partition that it is in. */
export type Running = { partition: number; board: Board; market: Market }

/** The partitions of one process, kept by a subscription. */
export type Runner = {
  /** The partitions that are taken over whole, by number. */
  owned(): ReadonlyMap<number, OwnedPartition>
  /** Whose a partition is that is not taken over: soon ours, another process's, or not known yet. */
  shareOf(partition: number): 'ours' | 'another’s' | 'unknown'
  /** By symbol. */
  markets(): Running[]
  /** @throws DomainError not_found; unavailable while another partition could hold it */
  market(symbol: string): Running
  /** Gives the partitions up and stores a last snapshot of each. */
  stop(): Promise<void>
}

export const startRunner = (deps: PartitionDeps): Runner => new PartitionRunner(deps)

class PartitionRunner implements Runner {
  private readonly partitions = new Map<number, OwnedPartition>()
  private readonly owner = `${hostname()}/${process.pid}/${newId()}`
  private readonly controller = new AbortController()
  private readonly loop: Loop
  private subscription: Subscription | undefined
  private partitionCount = Number.POSITIVE_INFINITY
  /** A newer owner was met: everything is given up before anything is asked for again. */
  private isFenced = false

  constructor(private readonly deps: PartitionDeps) {
    deps.metrics.lags = () => this.lags(deps.log)
    const name = `${GROUP}.subscription`
    this.loop = new Loop({ name, intervalMs: SUBSCRIBE_AGAIN_MS, log: deps.logger }, () => this.keepSubscribed())
  }

  owned(): ReadonlyMap<number, OwnedPartition> {
    return this.partitions
  }

  shareOf(partition: number): 'ours' | 'another’s' | 'unknown' {
    const { subscription } = this
    if (!subscription || this.isFenced) return 'unknown'
    if (subscription.assigned().some((place) => place.partition === partition)) return 'ours'
    return subscription.isSettled() ? 'another’s' : 'unknown'
  }

  markets(): Running[] {
    return [...this.partitions.values()]
      .flatMap(({ partition, board }) => board.all().map((market) => ({ partition, board, market })))
      .sort((a, b) => (a.market.symbol < b.market.symbol ? -1 : 1))
  }

  market(symbol: string): Running {
    for (const { partition, board } of this.partitions.values()) {
      const market = board.find(symbol)
      if (market) return { partition, board, market }
    }
    if (this.partitions.size < this.partitionCount) {
      throw new DomainError('unavailable', 'The matching engine is not ready for this market.')
    }
    throw new DomainError('not_found', 'There is no such market.')
  }

  async stop(): Promise<void> {
    this.deps.metrics.lags = undefined
    this.controller.abort()
    await this.loop.stop()
    // Closing the subscription waits for the batches in progress and then takes the partitions away.
    const owned = [...this.partitions.values()]
    await this.subscription?.close()
    await Promise.all(owned.map((partition) => partition.close()))
  }

  private async keepSubscribed(): Promise<void> {
    if (this.isFenced) {
      await this.subscription?.close()
      this.subscription = undefined
      this.isFenced = false
      return
    }
    if (this.subscription) return
    const { log } = this.deps
    this.partitionCount = await log.partitions(COMMANDS)
    this.subscription = await log.subscribe(GROUP, [COMMANDS], {
      position: (_, partition) => this.guarded(partition, () => this.begin(partition)),
      onRecords: (batch) => this.guarded(batch.partition, () => this.apply(batch)),
      onRevoked: (_, partition) => {
        this.partitions.delete(partition)
      },
    })
  }

  private async begin(partition: number): Promise<bigint> {
    if (this.isFenced) throw new FencedError('giving the partitions up')
    const { owner, controller } = this
    const owned = await takeOver(this.deps, { partition, owner, signal: controller.signal })
    this.partitions.set(partition, owned)
    return owned.position
  }

  private async apply(batch: RecordBatch): Promise<void> {
    const owned = this.partitions.get(batch.partition)
    assert(owned, 'a batch comes after its partition was taken over')
    await owned.onRecords(batch)
  }

  /** After any failure nobody knows what is in the log: what is in memory is dropped, and the partition taken over anew. */
  private async guarded<T>(partition: number, run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      this.partitions.delete(partition)
      if (error instanceof FencedError && !this.isFenced) {
        this.deps.logger.warn({ partition }, 'a newer owner has the partition; giving all partitions up')
        this.isFenced = true
        this.loop.wake()
      }
      throw error
    }
  }

  private async lags(log: EventLog): Promise<Lag[]> {
    const ends = await log.latestOffsets(COMMANDS)
    return [...this.partitions.values()].map(({ partition, position }) => ({
      partition,
      records: Number((ends[partition] ?? position) - position),
    }))
  }
}
