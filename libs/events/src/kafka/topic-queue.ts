import type { AppendedAt, LogRecord } from '../port.ts'
import { recordBytes } from '../record-size.ts'

/** Batches stay small; only a record that is larger than this goes into a larger one, alone. */
export const CHUNK_BYTES = 400_000

/** A record that knows its partition. */
export type Placed = LogRecord & { partition: number }

type Waiting = {
  records: Placed[]
  resolve: (places: AppendedAt[]) => void
  reject: (error: unknown) => void
}

/**
 * Sends the appends of one topic one after another, those that wait together. Never two at a time: kafkajs numbers batches
 * again after a failure, so the second of two would get the number of a first one that the broker has and has not answered,
 * and the broker would take it for that, acknowledge it and throw it away.
 */
export class TopicQueue {
  private waiting: Waiting[] = []
  private running = false

  constructor(private readonly send: (records: Placed[]) => Promise<AppendedAt[]>) {}

  add(records: Placed[]): Promise<AppendedAt[]> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ records, resolve, reject })
      if (!this.running) void this.run()
    })
  }

  private async run(): Promise<void> {
    this.running = true
    while (this.waiting.length > 0) {
      const group = this.take()
      try {
        const places = await this.send(group.flatMap(({ records }) => records))
        let at = 0
        for (const { records, resolve } of group) {
          resolve(places.slice(at, at + records.length))
          at += records.length
        }
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    this.running = false
  }

  /** As many of those that wait as go into one batch; at least one. */
  private take(): Waiting[] {
    let bytes = 0
    const end = this.waiting.findIndex(({ records }, i) => {
      for (const record of records) bytes += recordBytes(record)
      return i > 0 && bytes > CHUNK_BYTES
    })
    return this.waiting.splice(0, end === -1 ? this.waiting.length : end)
  }
}
