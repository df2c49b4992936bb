// Parts of kafkajs 2.2.4 (pinned) that it does not type: a fetch from a given offset, without a consumer group.
declare module 'kafkajs/src/consumer/batch.js' {
  type Message = {
    offset: string
    timestamp: string
    key: Buffer | null
    value: Buffer | null
    headers: Record<string, Buffer | string | (Buffer | string)[] | undefined>
  }
  export type PartitionData = {
    partition: number
    highWatermark: string
    messages: unknown[]
    abortedTransactions: unknown[]
  }
  /** Leaves out control records and what aborted transactions wrote. */
  export default class Batch {
    constructor(topic: string, fetchedOffset: string, data: PartitionData)
    readonly messages: Message[]
    /** Control records included. */
    isEmptyIncludingFiltered(): boolean
    lastOffset(): string
  }
}

declare module 'kafkajs/src/cluster/index.js' {
  import type { PartitionData } from 'kafkajs/src/consumer/batch.js'
  export type Broker = {
    fetch(request: {
      isolationLevel: number
      maxWaitTime: number
      minBytes: number
      maxBytes: number
      topics: { topic: string; partitions: { partition: number; fetchOffset: string; maxBytes: number }[] }[]
    }): Promise<{ responses: { topicName: string; partitions: PartitionData[] }[] }>
  }
  export default class Cluster {
    constructor(options: Record<string, unknown>)
    connect(): Promise<void>
    disconnect(): Promise<void>
    addTargetTopic(topic: string): Promise<void>
    refreshMetadata(): Promise<void>
    findTopicPartitionMetadata(topic: string): { partitionId: number; leader: number }[]
    findBroker(options: { nodeId: number }): Promise<Broker>
  }
}

declare module 'kafkajs/src/loggers/index.js' {
  import type { logCreator } from 'kafkajs'

  const loggers: { createLogger(options: { level: number; logCreator: logCreator }): unknown }
  export default loggers
}
