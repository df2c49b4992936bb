import { assert, type Logger } from '@bitka/kernel'
import type { EventLog, StoredRecord } from './port.ts'
import { backoffMs, defaultRetry, pause } from './retry.ts'

export type TailOptions = {
  /** Where to begin: `latest` sees only what comes after the call, `start` all that the log still has. */
  from: 'latest' | 'start'
  /** Gets every record of the topic, in order per partition. One that throws is tried again, for ever. */
  onRecord: (record: StoredRecord) => void | Promise<void>
  logger: Logger
}

export type Tail = {
  /** Resolves when every record that was in the log at the start has been handled. */
  caughtUp: Promise<void>
  stop(): Promise<void>
}

/**
 * Follows a topic without a group: every process that calls it sees every record. For broadcasts such as
 * identity.session.revoked. Resolves once the starting positions are fixed.
 */
export async function tail(log: EventLog, topic: string, options: TailOptions): Promise<Tail> {
  const controller = new AbortController()
  const ends = await log.latestOffsets(topic)
  const followers = ends.map((end, partition) => follow(log, topic, partition, end, options, controller.signal))
  return {
    caughtUp: Promise.all(followers.map(({ caughtUp }) => caughtUp)).then(() => undefined),
    async stop() {
      controller.abort()
      await Promise.all(followers.map(({ done }) => done))
    },
  }
}

function follow(
  log: EventLog,
  topic: string,
  partition: number,
  end: bigint,
  options: TailOptions,
  signal: AbortSignal,
) {
  let reached: () => void = () => {}
  const caughtUp = new Promise<void>((resolve) => {
    reached = resolve
  })
  const run = async (): Promise<void> => {
    let position = options.from === 'latest' ? end : 0n
    let failures = 0
    while (!signal.aborted) {
      if (position >= end) reached()
      try {
        const { records, nextOffset } = await log.read(topic, partition, position, { waitMs: 30_000, signal })
        for (const record of records) {
          if (signal.aborted) return
          await options.onRecord(record)
          position = record.offset + 1n
        }
        if (!signal.aborted) position = nextOffset
        failures = 0
      } catch (error) {
        if (signal.aborted) return
        failures += 1
        options.logger.warn({ err: error, topic, partition, failures }, 'following a topic failed; trying again')
        await pause(backoffMs(defaultRetry, failures), signal)
      }
    }
  }
  return { caughtUp, done: run().finally(reached) }
}

/** The last up to `count` records of a partition, oldest first. For comparing a producer's own books with the log. */
export async function readLast(
  log: EventLog,
  topic: string,
  partition: number,
  count: number,
): Promise<StoredRecord[]> {
  const ends = await log.latestOffsets(topic)
  const end = ends[partition]
  assert(end !== undefined, `${topic} has no partition ${partition}`)
  // Offsets have gaps, so look further back until there are enough.
  for (let span = BigInt(count); ; span *= 2n) {
    const from = end > span ? end - span : 0n
    const found: StoredRecord[] = []
    for (let position = from; position < end; ) {
      const { records, nextOffset } = await log.read(topic, partition, position, { maxRecords: 1000 })
      found.push(...records)
      if (nextOffset <= position) break
      position = nextOffset
    }
    if (found.length >= count || from === 0n) return found.slice(-count)
  }
}
