import { isTraceparent, newTraceparent, unsampled } from './trace-context.ts'

/** What is said about a span. Ids and names only: never a secret, never what a person wrote. */
export type Attributes = Readonly<Record<string, string | number | boolean>>

export type SpanOptions = {
  /** By OpenTelemetry's words; `internal` unless given. */
  kind?: 'server' | 'client' | 'producer' | 'consumer' | 'internal'
  attributes?: Attributes
  /** Trace contexts of spans that share this one's work without being its parent. */
  links?: readonly string[]
  /** When it began, epoch ms; now unless given. */
  startMs?: number
}

/** A piece of work in a trace. */
export type Span = {
  /** The trace context of what this work causes. */
  readonly traceparent: string
  /** Says more about it, and gives it another name. */
  set(attributes: Attributes, name?: string): void
  /** Ends it; with an error it has failed. */
  end(error?: unknown): void
}

/** Where spans go. Contexts are passed on by hand, as traceparent, since batches serve many requests at once. */
export type Tracing = {
  /** False: nothing is recorded, and asking costs next to nothing. */
  readonly enabled: boolean
  /**
   * Begins what a request of the outside world causes. Its trace id is kept when it has one. Whether the trace is recorded is
   * decided here, by chance and whatever the request says, so that nobody outside can make us pay.
   */
  begin(name: string, sent: string | undefined, options?: SpanOptions): Span
  /** A piece of work within a trace; nothing is recorded where the trace is not. */
  span(name: string, parent: string | undefined, options?: SpanOptions): Span
  /** Sends what is recorded, and ends. */
  stop(): Promise<void>
}

/** A span of which nothing is recorded. */
export class PassiveSpan implements Span {
  constructor(readonly traceparent: string) {}
  set(): void {}
  end(): void {}
}

/** The trace of a request of the outside world, which is not recorded. */
export const passiveBegin = (sent: string | undefined): Span =>
  new PassiveSpan(isTraceparent(sent) ? unsampled(sent) : newTraceparent())

/** No tracing: contexts are handed on, so that logs can be joined, and nothing is recorded. */
export const noTracing: Tracing = {
  enabled: false,
  begin: (_name, sent) => passiveBegin(sent),
  span: (_name, parent) => new PassiveSpan(parent ?? newTraceparent()),
  stop: async () => {},
}
