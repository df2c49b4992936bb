import type { Logger } from '@bitka/kernel'
import type { EventLog, SubscriptionHandler } from './port.ts'
import { backoffMs, pause } from './retry.ts'

export type PartitionWork = {
  log: EventLog
  logger: Logger
  group: string
  topic: string
  partition: number
  handler: SubscriptionHandler
  /** Aborted when the partition is given up. */
  signal: AbortSignal
}

const READ_WAIT_MS = 30_000
const failurePolicy = { attempts: Number.POSITIVE_INFINITY, baseMs: 100, maxMs: 5_000 }

/** Reads an owned partition and hands its records over, one batch after another, until aborted. Never rejects. */
export async function workPartition({
  log,
  logger,
  group,
  topic,
  partition,
  handler,
  signal,
}: PartitionWork): Promise<void> {
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
