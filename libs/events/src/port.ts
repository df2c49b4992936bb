/** A record to append. The key is the entity whose order matters; header names are lower case. */
export type LogRecord = { key: string; headers: Record<string, string>; value: Uint8Array }

/** A record as the log keeps it. */
export type StoredRecord = LogRecord & { topic: string; partition: number; offset: bigint; timestampMs: number }

/** The right to append to one partition. A newer owner's token makes older ones worthless. */
export type Fence = { topic: string; partition: number; owner: string; token: bigint }

export type AppendedAt = { partition: number; offset: bigint }

export type ReadOptions = {
  /** The most records in one answer; default 500. */
  maxRecords?: number
  /** How long to wait for a first record when there is none; default 0. */
  waitMs?: number
  /** Ends the wait early, with an empty answer. */
  signal?: AbortSignal
}

export type ReadResult = {
  records: StoredRecord[]
  /** Where to go on. Offsets rise with gaps, so nobody computes "last offset + 1" himself. */
  nextOffset: bigint
}

/** One run of records of one partition, in order. */
export type RecordBatch = {
  topic: string
  partition: number
  records: StoredRecord[]
  /** The position once all of `records` have had their effect. */
  nextOffset: bigint
  /** Aborted when the partition is taken away or the subscription closes: give up waiting, store nothing more. */
  signal: AbortSignal
}

export type SubscriptionHandler = {
  /** Where to begin: asked when a partition is assigned, and again after a batch failed. The service stores it. */
  position(topic: string, partition: number): Promise<bigint>
  /** One batch; the partition's next one comes when this has resolved. A rejection is retried from `position`. */
  onRecords(batch: RecordBatch): Promise<void>
  /** This process owns the partition no longer, and no batch of it is in progress. */
  onRevoked?(topic: string, partition: number): void
}

export type Subscription = {
  /** The partitions that this process owns now. */
  assigned(): { topic: string; partition: number }[]
  /** True while the shares of the group are known: what is not assigned here is another process's. */
  isSettled(): boolean
  /** Waits for the batches in progress, then gives the partitions up. */
  close(): Promise<void>
}

/** A partitioned log. The adapters (PostgreSQL, Kafka) pass one conformance suite. */
export type EventLog = {
  /**
   * Appends durably; answers one place per record, in order. Records of one call and partition stay together in order. With
   * a fence, all records go to the fence's partition. After an `unavailable` error they may or may not be in the log: append
   * again (consumers dedupe), or with a fence acquire a new one and read the output before going on.
   * @throws FencedError a newer owner holds the partition
   * @throws ForbiddenTopicError not a producer of the topic
   * @throws RecordTooLargeError none of the records was appended
   */
  append(
    topic: string,
    records: (LogRecord & { partition?: number })[],
    options?: { fence?: Fence },
  ): Promise<AppendedAt[]>
  read(topic: string, partition: number, fromOffset: bigint, options?: ReadOptions): Promise<ReadResult>
  /** Per partition: the offset from which only newer records are read ("the end"). */
  latestOffsets(topic: string): Promise<bigint[]>
  partitions(topic: string): Promise<number>
  /** Spreads the partitions of the topics over the members of a group; each has one owner at a time. */
  subscribe(group: string, topics: string[], handler: SubscriptionHandler): Promise<Subscription>
  /**
   * Makes the caller the only one who may append to the partition. When it resolves nothing that an older owner appended
   * is still on its way, so that latestOffsets is the stable end of the older owners' output.
   */
  acquireFence(topic: string, partition: number, owner: string): Promise<Fence>
  close(): Promise<void>
}

/** A record is larger than any log takes (`RECORD_BYTES_MAX`). No later try helps. */
export class RecordTooLargeError extends Error {
  override name = 'RecordTooLargeError'
}

/** A newer owner has the partition: stop, and let it. */
export class FencedError extends Error {
  override name = 'FencedError'
}

/** The caller's identity may not append to (or read) this topic, or there is no such topic. */
export class ForbiddenTopicError extends Error {
  override name = 'ForbiddenTopicError'
}
