import type { Agent } from 'node:https'
import {
  type Context,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { AlwaysOnSampler, BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace'
import { Counter, type Registry } from 'prom-client'
import { isSampled, isTraceparent, newTraceparent, spanIdOf, traceIdOf } from './trace-context.ts'
import { PassiveSpan, passiveBegin, type Span, type SpanOptions, type Tracing } from './tracing.ts'

export type OtlpOptions = {
  /** The name that spans come from. */
  service: string
  /** The collector, without the path: spans are posted to `<endpoint>/v1/traces`. */
  endpoint: string
  /** Of how many of the traces that begin here spans are recorded, 0 to 1. */
  ratio: number
  registry: Registry
  /** How to connect to an https endpoint. */
  agent?: Agent
}

/** Spans wait in memory for this long at most, so that they are seen soon and posted together. */
const DELAY_MS = 1_000
/** More spans than this that wait are dropped: a collector that is away must not fill the memory. */
const QUEUE_MAX = 4_096
const BATCH_MAX = 512
const EXPORT_TIMEOUT_MS = 5_000
/** A process that stops waits no longer than this for its last spans. */
const STOP_TIMEOUT_MS = 2_000

const kinds: Record<NonNullable<SpanOptions['kind']>, SpanKind> = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
}

/** Tracing that posts spans to a collector over OTLP/HTTP. */
export function otlpTracing({ service, endpoint, ratio, registry, agent }: OtlpOptions): Tracing {
  const url = `${endpoint.replace(/\/$/, '')}/v1/traces`
  const exporter = new OTLPTraceExporter({
    url,
    timeoutMillis: EXPORT_TIMEOUT_MS,
    ...(agent === undefined ? {} : { httpAgentOptions: () => agent }),
  })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': service }),
    // Who asks for a span has decided already: see `begin`.
    sampler: new AlwaysOnSampler(),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: counted(exporter, registry),
        scheduledDelayMillis: DELAY_MS,
        maxQueueSize: QUEUE_MAX,
        maxExportBatchSize: BATCH_MAX,
        exportTimeoutMillis: EXPORT_TIMEOUT_MS,
      }),
    ],
  })
  const tracer = provider.getTracer('bitka')
  const record = (name: string, context: Context, options: SpanOptions): Span => {
    const { kind = 'internal', attributes, links = [], startMs } = options
    const span = tracer.startSpan(
      name,
      {
        kind: kinds[kind],
        attributes,
        startTime: startMs,
        links: links.map((link) => ({ context: spanContextOf(link) })),
      },
      context,
    )
    const { traceId, spanId } = span.spanContext()
    return {
      traceparent: `00-${traceId}-${spanId}-01`,
      set: (more, newName) => {
        span.setAttributes(more)
        if (newName !== undefined) span.updateName(newName)
      },
      end: (error) => {
        // Which error, not its message: a message may hold what a person wrote.
        if (error !== undefined)
          span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : 'error' })
        span.end()
      },
    }
  }
  return {
    enabled: true,
    begin: (name, sent, options = {}) => {
      if (Math.random() >= ratio) return passiveBegin(sent)
      return record(name, isTraceparent(sent) ? contextOf(sent) : ROOT_CONTEXT, options)
    },
    span: (name, parent, options = {}) =>
      isTraceparent(parent) && isSampled(parent)
        ? record(name, contextOf(parent), options)
        : new PassiveSpan(parent ?? newTraceparent()),
    stop: async () => {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, STOP_TIMEOUT_MS)
      })
      await Promise.race([provider.shutdown().catch(() => undefined), late])
      clearTimeout(timer)
    },
  }
}

const spanContextOf = (traceparent: string): SpanContext => ({
  traceId: traceIdOf(traceparent),
  spanId: spanIdOf(traceparent),
  traceFlags: TraceFlags.SAMPLED,
  isRemote: true,
})

const contextOf = (traceparent: string): Context => trace.setSpanContext(ROOT_CONTEXT, spanContextOf(traceparent))

/** The exporter, with what becomes of spans shown as a metric. */
function counted(exporter: SpanExporter, registry: Registry): SpanExporter {
  const spans = new Counter({
    name: 'bitka_trace_spans_total',
    help: 'Spans handed to the collector (exported), and those that it did not take (failed).',
    labelNames: ['outcome'],
    registers: [registry],
  })
  return {
    export: (batch, done) =>
      exporter.export(batch, (result) => {
        spans.inc({ outcome: result.code === 0 ? 'exported' : 'failed' }, batch.length)
        done(result)
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  }
}
