import { type LogRecord, RecordTooLargeError } from './port.ts'
import { RECORD_BYTES_MAX } from './topics.ts'

/** About what Kafka adds to a record and to each of its headers. */
const RECORD_OVERHEAD = 30
const HEADER_OVERHEAD = 4

/** The bytes that a record takes in a batch, rather too many than too few. */
export function recordBytes({ key, headers, value }: LogRecord): number {
  let bytes = value.length + Buffer.byteLength(key) + RECORD_OVERHEAD
  for (const [name, text] of Object.entries(headers))
    bytes += Buffer.byteLength(name) + Buffer.byteLength(text) + HEADER_OVERHEAD
  return bytes
}

/** Every log refuses what one of them could not take, so that a service may move between them. */
export function assertFit(topic: string, records: readonly LogRecord[]): void {
  for (const record of records) {
    const bytes = recordBytes(record)
    if (bytes > RECORD_BYTES_MAX)
      throw new RecordTooLargeError(`a record for ${topic} has ${bytes} bytes, and the log takes ${RECORD_BYTES_MAX}`)
  }
}
