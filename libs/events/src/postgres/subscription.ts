import { type Logger, Loop } from '@bitka/kernel'
import type { EventLog, Subscription, SubscriptionHandler } from '../port.ts'
import { backoffMs, isTransient, pause } from '../retry.ts'
import type { Session } from './session.ts'

type Options = {
  log: EventLog
  session: Session
  logger: Logger
  group: string
  topics: string[]
  handler: SubscriptionHandler
  onClose: () => void
}

type Worker = { topic: string; partition: number; controller: AbortController; done: Promise<void> }

/** How often a member looks for partitions whose owner is gone. */
const TAKE_OVER_MS = 500
const READ_WAIT_MS = 30_000
const failurePolicy = { attempts: Number.POSITIVE_INFINITY, baseMs: 100, maxMs: 5_000 }

/**
 * A member of a group. An advisory lock of the log's session makes it the owner of a partition; when the process dies the
 * lock falls and another member takes it. Who comes first has all: partitions are not spread evenly.
 */
export class PostgresSubscription implements Subscription {
  /** Owned partitions by lock name. */
  private readonly workers = new Map<string, Worker>()
  private readonly forgetLost: () => void
  private loop: Loop | undefined
  private closing: Promise<void> | undefined

  constructor(private readonly options: Options) {
    this.forgetLost = options.session.onLost(() => {
      for (const { controller } of this.workers.values()) controller.abort()
    })
  }

  async start(): Promise<void> {
    await this.take()
    const { group, logger } = this.options
    this.loop = new Loop({ name: `${group}.take-over`, intervalMs: TAKE_OVER_MS, log: logger }, async () => {
      try {
        await this.take()
      } catch (error) {
        if (!isTransient(error)) throw error
        logger.debug({ err: error, group }, 'no connection to take partitions over')
      }
    })
  }

  assigned(): { topic: string; partition: number }[] {
    return [...this.workers.values()]
      .filter(({ controller }) => !controller.signal.aborted)
      .map(({ topic, partition }) => ({ topic, partition }))
  }

  close(): Promise<void> {
    this.closing ??= this.release()
    return this.closing
  }

  private async release(): Promise<void> {
    await this.loop?.stop()
    this.forgetLost()
    const workers = [...this.workers.values()]
    for (const { controller } of workers) controller.abort()
    await Promise.all(workers.map(({ done }) => done))
    this.options.onClose()
  }

  private async take(): Promise<void> {
    const { log, session, group, topics } = this.options
    const free = new Map<string, { topic: string; partition: number }>()
    for (const topic of topics) {
      const count = await log.partitions(topic)
      for (let partition = 0; partition < count; partition += 1) {
        const name = `subscription ${group} ${topic} ${partition}`
        if (!this.workers.has(name)) free.set(name, { topic, partition })
      }
    }
    for (const name of await session.tryLock([...free.keys()])) {
      const place = free.get(name)
      if (place) this.begin(name, place.topic, place.partition)
    }
  }

  private begin(name: string, topic: string, partition: number): void {
    const controller = new AbortController()
    const done = this.work(topic, partition, controller.signal).finally(async () => {
      this.options.handler.onRevoked?.(topic, partition)
      await this.options.session.unlock(name)
      this.workers.delete(name)
    })
    this.workers.set(name, { topic, partition, controller, done })
    this.options.logger.debug({ group: this.options.group, topic, partition }, 'owns the partition')
  }

  /** Reads and hands over until aborted. Never rejects. */
  private async work(topic: string, partition: number, signal: AbortSignal): Promise<void> {
    const { log, handler, logger, group } = this.options
    let position: bigint | undefined
    for (let failures = 0; !signal.aborted; ) {
      try {
        position ??= await handler.position(topic, partition)
        const { records, nextOffset } = await log.read(topic, partition, position, { waitMs: READ_WAIT_MS, signal })
        if (signal.aborted) return
        if (records.length > 0) await handler.onRecords({ topic, partition, records, nextOffset, signal })
        position = nextOffset
        failures = 0
      } catch (error) {
        if (signal.aborted) return
        position = undefined
        failures += 1
        logger.warn(
          { err: error, group, topic, partition, failures },
          'a batch failed; starting again from the stored position',
        )
        await pause(backoffMs(failurePolicy, failures), signal)
      }
    }
  }
}
