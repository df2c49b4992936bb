import { isSampled } from './trace-context.ts'
import type { Span, SpanOptions, Tracing } from './tracing.ts'

/**
 * Runs work that serves several traces at once, with a span in each that is recorded. `run` gets the context that further calls
 * go on with: that of the first one, to which the others are linked.
 */
export async function withSpans<T>(
  tracing: Tracing,
  name: string,
  parents: readonly (string | undefined)[],
  run: (traceparent: string | undefined) => Promise<T>,
  options: SpanOptions = {},
): Promise<T> {
  const sampled = tracing.enabled ? parents.filter((parent) => parent !== undefined && isSampled(parent)) : []
  if (sampled.length === 0) return run(parents.find((parent) => parent !== undefined))
  const spans: Span[] = []
  for (const parent of new Set(sampled)) {
    const links = spans[0] ? [spans[0].traceparent] : []
    spans.push(tracing.span(name, parent, { ...options, links }))
  }
  try {
    const result = await run(spans[0]?.traceparent)
    for (const span of spans) span.end()
    return result
  } catch (error) {
    for (const span of spans) span.end(error)
    throw error
  }
}
