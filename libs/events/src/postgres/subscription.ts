import { type Logger, Loop } from '@bitka/kernel'
import { workPartition } from '../partition-worker.ts'
import type { EventLog, Subscription, SubscriptionHandler } from '../port.ts'
import { isTransient } from '../retry.ts'
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

/**
 * A member of a group. An advisory lock of the log's session makes it the owner of a partition; when the process dies the
 * lock falls and another member takes it. Who comes first has all: partitions are not spread evenly.
 */
export class PostgresSubscription implements Subscription {
  /** Owned partitions by lock name. */
  private readonly workers = new Map<string, Worker>()
  private readonly forgetLost: () => void
  private loop: Loop | undefined
  private settled = false
  private closing: Promise<void> | undefined

  constructor(private readonly options: Options) {
    this.forgetLost = options.session.onLost(() => {
      this.settled = false
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

  isSettled(): boolean {
    return this.settled
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
    this.settled = true
  }

  private begin(name: string, topic: string, partition: number): void {
    const controller = new AbortController()
    const { log, logger, group, handler } = this.options
    const { signal } = controller
    const done = workPartition({ log, logger, group, topic, partition, handler, signal }).finally(async () => {
      handler.onRevoked?.(topic, partition)
      await this.options.session.unlock(name)
      this.workers.delete(name)
    })
    this.workers.set(name, { topic, partition, controller, done })
    logger.debug({ group, topic, partition }, 'owns the partition')
  }
}
