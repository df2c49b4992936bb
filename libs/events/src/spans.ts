import { isSampled, type Span, type Tracing } from '@bitka/telemetry'
import type { LogRecord, StoredRecord } from './port.ts'

/** Records on their way, with a span for each one whose trace is recorded. */
export type Traced<R extends LogRecord> = {
  /** The same records; those with a span carry its context on to what they cause. */
  records: R[]
  /** Ends the spans; with an error they have failed. */
  end(error?: unknown): void
}

/** A span for every sampled record; the others stay as they are, and cost a look at a header. */
function traced<R extends LogRecord>(
  tracing: Tracing,
  records: R[],
  begin: (record: R, parent: string) => Span,
): Traced<R> {
  if (!tracing.enabled) return { records, end: () => {} }
  const spans: Span[] = []
  const carried = records.map((record) => {
    const { traceparent } = record.headers
    if (traceparent === undefined || !isSampled(traceparent)) return record
    const span = begin(record, traceparent)
    spans.push(span)
    return { ...record, headers: { ...record.headers, traceparent: span.traceparent } }
  })
  return {
    records: carried,
    end: (error) => {
      for (const span of spans) span.end(error)
    },
  }
}

/** From when a record was decided on until it is in the log. `sinceMs`: epoch ms of the decision, where that is known. */
export const publishing = <R extends LogRecord>(
  tracing: Tracing,
  topic: string,
  records: R[],
  sinceMs?: (record: R) => number,
): Traced<R> =>
  traced(tracing, records, (record, parent) =>
    tracing.span(`${topic} publish`, parent, {
      kind: 'producer',
      startMs: sinceMs?.(record),
      attributes: { 'messaging.destination.name': topic },
    }),
  )

/** While a group applies records; those of one batch are applied in one transaction. */
export const processing = (tracing: Tracing, group: string, records: StoredRecord[]): Traced<StoredRecord> =>
  traced(tracing, records, ({ topic, partition, offset }, parent) =>
    tracing.span(`${topic} process`, parent, {
      kind: 'consumer',
      attributes: {
        'messaging.destination.name': topic,
        'messaging.consumer.group.name': group,
        'messaging.destination.partition.id': String(partition),
        'messaging.kafka.offset': Number(offset),
        'messaging.batch.message_count': records.length,
      },
    }),
  )
