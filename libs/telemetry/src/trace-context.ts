import { randomBytes } from 'node:crypto'

/** W3C Trace Context: version, trace id, span id, flags. Zeros are no ids. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/
const FLAGS_AT = 53

/** Whether a text is a trace context that we can go on with. */
export const isTraceparent = (text: string | undefined): text is string => text !== undefined && TRACEPARENT.test(text)

/** The context of a new trace, of which nothing is recorded. */
export function newTraceparent(): string {
  const random = randomBytes(24).toString('hex')
  return `00-${random.slice(0, 32)}-${random.slice(32)}-00`
}

/** The name under which everything that one request caused can be found: in logs, in events and in traces. */
export const traceIdOf = (traceparent: string): string => traceparent.slice(3, 35)

export const spanIdOf = (traceparent: string): string => traceparent.slice(36, 52)

/** Whether spans of the trace are recorded. */
export const isSampled = (traceparent: string): boolean => (Number.parseInt(traceparent.slice(FLAGS_AT), 16) & 1) === 1

/** The same trace, of which nothing more is recorded. */
export const unsampled = (traceparent: string): string => `${traceparent.slice(0, FLAGS_AT)}00`
