import kafkajs from 'kafkajs'
import Cluster from 'kafkajs/src/cluster/index.js'
import Batch from 'kafkajs/src/consumer/batch.js'
import loggers from 'kafkajs/src/loggers/index.js'
import type { StoredRecord } from '../port.ts'
import { type KafkaConnection, kafkaConfig, logCreatorFor } from './client.ts'

const READ_COMMITTED = 1
const MAX_BYTES = 8 * 1024 * 1024

export type Fetched = {
  records: StoredRecord[]
  /** After the last record that the broker sent, control records included; the same as asked for when it sent none. */
  nextOffset: bigint
}

/**
 * Fetches from a given offset, which kafkajs offers only inside a consumer group: with a group each waiting reader would be
 * a member. A broker answers the requests of one connection in turn, so a fetch that waits has a connection for itself;
 * connections are used again.
 */
export class Fetcher {
  private readonly free: Cluster[] = []
  private readonly all = new Set<Cluster>()
  private closed = false

  constructor(private readonly connection: KafkaConnection) {}

  async fetch(topic: string, partition: number, from: bigint, maxWaitMs: number): Promise<Fetched> {
    const cluster = this.free.pop() ?? this.open()
    try {
      const fetched = await this.fetchOn(cluster, topic, partition, from, maxWaitMs)
      if (!this.closed) this.free.push(cluster)
      return fetched
    } catch (error) {
      // Its idea of who leads the partition may be old as well.
      this.all.delete(cluster)
      cluster.disconnect().catch(() => undefined)
      throw error
    }
  }

  async close(): Promise<void> {
    this.closed = true
    await Promise.allSettled([...this.all].map((cluster) => cluster.disconnect()))
  }

  private open(): Cluster {
    const config = kafkaConfig(this.connection)
    const cluster = new Cluster({
      ...config,
      logger: loggers.createLogger({ level: kafkajs.logLevel.WARN, logCreator: logCreatorFor(this.connection.logger) }),
      enforceRequestTimeout: true,
      metadataMaxAge: 60_000,
      allowAutoTopicCreation: false,
      isolationLevel: READ_COMMITTED,
    })
    this.all.add(cluster)
    return cluster
  }

  private async fetchOn(
    cluster: Cluster,
    topic: string,
    partition: number,
    from: bigint,
    maxWaitMs: number,
  ): Promise<Fetched> {
    await cluster.connect()
    await cluster.addTargetTopic(topic)
    const found = cluster.findTopicPartitionMetadata(topic).find(({ partitionId }) => partitionId === partition)
    if (!found) throw new Error(`${topic} has no partition ${partition}`)
    const broker = await cluster.findBroker({ nodeId: found.leader })
    const { responses } = await broker.fetch({
      isolationLevel: READ_COMMITTED,
      maxWaitTime: maxWaitMs,
      minBytes: 1,
      maxBytes: MAX_BYTES,
      topics: [{ topic, partitions: [{ partition, fetchOffset: String(from), maxBytes: MAX_BYTES }] }],
    })
    const data = responses[0]?.partitions[0]
    if (!data) return { records: [], nextOffset: from }
    const batch = new Batch(topic, String(from), data)
    if (batch.isEmptyIncludingFiltered()) return { records: [], nextOffset: from }
    return {
      records: batch.messages.map((message) => ({
        topic,
        partition,
        offset: BigInt(message.offset),
        timestampMs: Number(message.timestamp),
        key: message.key?.toString() ?? '',
        headers: Object.fromEntries(
          Object.entries(message.headers).map(([name, value]) => [name, String(value ?? '')]),
        ),
        value: message.value ?? new Uint8Array(0),
      })),
      nextOffset: BigInt(batch.lastOffset()) + 1n,
    }
  }
}
