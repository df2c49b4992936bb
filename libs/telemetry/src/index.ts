import type { OtlpOptions } from './otlp.ts'
import type { Tracing } from './tracing.ts'

export type { OtlpOptions } from './otlp.ts'
export { isSampled, isTraceparent, newTraceparent, traceIdOf } from './trace-context.ts'
export { type Attributes, noTracing, type Span, type SpanOptions, type Tracing } from './tracing.ts'
export { withSpans } from './with-spans.ts'

/** Tracing that posts spans over OTLP. What it needs is only loaded here: without a collector it costs nothing. */
export const openTracing = async (options: OtlpOptions): Promise<Tracing> =>
  (await import('./otlp.ts')).otlpTracing(options)
