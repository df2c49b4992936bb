import type { Logger } from '@bitka/kernel'
import type { Consumer, Kafka } from 'kafkajs'
import { workPartition } from '../partition-worker.ts'
import type { EventLog, Subscription, SubscriptionHandler } from '../port.ts'
import { backoffMs, pause } from '../retry.ts'

type Options = {
  kafka: Kafka
  log: EventLog
  logger: Logger
  group: string
  topics: string[]
  handler: SubscriptionHandler
  onClose: () => void
}

type Worker = { topic: string; partition: number; controller: AbortController; done: Promise<void> }

const failurePolicy = { attempts: Number.POSITIVE_INFINITY, baseMs: 250, maxMs: 5_000 }

/**
 * A member of a consumer group. The group only shares out the partitions: the consumer of kafkajs is paused from the
 * start, and owned partitions are read from the positions that the service stores. So a slow handler never costs a member
 * its place, and a partition is not fetched before its position is known.
 */
export class KafkaSubscription implements Subscription {
  private readonly workers = new Map<string, Worker>()
  private readonly controller = new AbortController()
  private consumer: Consumer | undefined
  private joining: Promise<void> | undefined
  private closing: Promise<void> | undefined
  private failures = 0
  private settled = false

  constructor(private readonly options: Options) {}

  start(): Promise<void> {
    return this.join()
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
    this.closing ??= this.leave()
    return this.closing
  }

  private async leave(): Promise<void> {
    this.controller.abort()
    await this.joining?.catch(() => undefined)
    this.assign({})
    await Promise.all([...this.workers.values()].map(({ done }) => done))
    await this.consumer?.disconnect().catch(() => undefined)
    this.options.onClose()
  }

  private async join(): Promise<void> {
    const { kafka, group, topics, logger } = this.options
    const consumer = kafka.consumer({
      groupId: group,
      // The shortest that brokers take by default: a dead owner's partitions are free after it.
      sessionTimeout: 6_000,
      heartbeatInterval: 1_000,
      rebalanceTimeout: 10_000,
      // Also how long a paused consumer sleeps between heartbeats, and how long disconnect() takes.
      maxWaitTimeInMs: 100,
      // How soon the group notices that a topic has more partitions.
      metadataMaxAge: 10_000,
      allowAutoTopicCreation: false,
      // A broker that is still loading the group lets the consumer crash and start again; that is no end.
      retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 10 },
    })
    this.consumer = consumer
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      this.failures = 0
      if (this.consumer !== consumer) return
      this.assign(payload.memberAssignment)
      this.settled = true
    })
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (this.consumer !== consumer) return
      this.settled = false
      this.assign({})
      logger.warn({ err: payload.error, group, restart: payload.restart }, 'the group consumer crashed')
      if (!payload.restart) this.rejoin(consumer)
    })
    await consumer.connect()
    await consumer.subscribe({ topics, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async (payload) => {
        payload.pause()
      },
    })
  }

  private rejoin(crashed: Consumer): void {
    if (this.controller.signal.aborted) return
    this.failures += 1
    const again = async (): Promise<void> => {
      crashed.disconnect().catch(() => undefined)
      await pause(backoffMs(failurePolicy, this.failures), this.controller.signal)
      if (this.controller.signal.aborted) return
      await this.join().catch((error: unknown) => {
        this.options.logger.warn({ err: error, group: this.options.group }, 'could not join the group')
        if (this.consumer) this.rejoin(this.consumer)
      })
    }
    this.joining = again()
  }

  /** Makes the workers what the assignment says. */
  private assign(assignment: Record<string, number[]>): void {
    const wanted = new Map<string, { topic: string; partition: number }>(
      Object.entries(assignment).flatMap(([topic, partitions]) =>
        partitions.map((partition) => [`${topic}/${partition}`, { topic, partition }] as const),
      ),
    )
    for (const [name, worker] of this.workers) if (!wanted.has(name)) worker.controller.abort()
    for (const [name, { topic, partition }] of wanted) {
      const running = this.workers.get(name)
      if (running && !running.controller.signal.aborted) continue
      if (!this.controller.signal.aborted) this.begin(name, topic, partition, running?.done)
    }
  }

  private begin(name: string, topic: string, partition: number, after: Promise<void> = Promise.resolve()): void {
    const { log, logger, group, handler } = this.options
    const controller = new AbortController()
    const { signal } = controller
    const worker: Worker = { topic, partition, controller, done: Promise.resolve() }
    worker.done = after
      .then(() => workPartition({ log, logger, group, topic, partition, handler, signal }))
      .finally(() => {
        handler.onRevoked?.(topic, partition)
        if (this.workers.get(name) === worker) this.workers.delete(name)
      })
    this.workers.set(name, worker)
  }
}
