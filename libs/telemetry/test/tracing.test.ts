import { type FakeCollector, fakeCollector, waitFor } from '@bitka/testkit'
import { Registry } from 'prom-client'
import { isSampled, isTraceparent, noTracing, openTracing, type Tracing, traceIdOf, withSpans } from '../src/index.ts'

const sent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

describe('without a collector', () => {
  it('keeps the trace of a request and records nothing, whatever the request says', () => {
    const span = noTracing.begin('GET', sent)
    expect(traceIdOf(span.traceparent)).toBe(traceIdOf(sent))
    expect(isSampled(span.traceparent)).toBe(false)
    expect(noTracing.span('work', span.traceparent).traceparent).toBe(span.traceparent)
  })

  it.each([undefined, '', 'garbage', `${sent}-more`, sent.toUpperCase(), `00-${'0'.repeat(32)}-b7ad6b7169203331-01`])(
    'begins a trace of its own for %s',
    (context) => {
      const { traceparent } = noTracing.begin('GET', context)
      expect(isTraceparent(traceparent)).toBe(true)
      expect(traceIdOf(traceparent)).not.toBe(traceIdOf(sent))
      expect(isSampled(traceparent)).toBe(false)
    },
  )
})

describe('with a collector', () => {
  let collector: FakeCollector
  let registry: Registry
  let tracing: Tracing
  const open = async (ratio: number): Promise<Tracing> => {
    registry = new Registry()
    tracing = await openTracing({ service: 'gateway', endpoint: collector.url, ratio, registry })
    return tracing
  }
  const named = (name: string) => collector.spans.find((span) => span.name === name)
  beforeEach(async () => {
    collector = await fakeCollector()
  })
  afterEach(async () => {
    await tracing.stop()
    await collector.stop()
  })

  it('posts the spans of one trace, each below its parent', async () => {
    const { begin, span } = await open(1)
    const request = begin('POST', sent, { kind: 'server' })
    const call = span('call', request.traceparent, { kind: 'client', attributes: { method: 'Hold' } })
    call.end(new TypeError('the words of a person'))
    request.set({ status: 201 }, 'POST order')
    request.end()
    await waitFor(async () => collector.spans.length === 2)
    const [parent, child] = [named('POST order')!, named('call')!]
    expect(parent).toMatchObject({
      service: 'gateway',
      traceId: traceIdOf(sent),
      parentSpanId: 'b7ad6b7169203331',
      kind: 2,
      attributes: { status: 201 },
      failed: false,
    })
    expect(child).toMatchObject({ traceId: traceIdOf(sent), parentSpanId: parent.spanId, kind: 3, failed: true })
    expect(JSON.stringify(collector.spans)).not.toContain('the words')
    // Counted once the collector's answer is here, which is after it has the spans.
    await waitFor(async () => (await registry.metrics()).includes('bitka_trace_spans_total{outcome="exported"} 2'))
  })

  it('records none of the traces that are not drawn, even when a client asks for it', async () => {
    const { begin, span, stop } = await open(0)
    for (let each = 0; each < 50; each += 1) {
      const request = begin('GET', sent)
      expect(isSampled(request.traceparent)).toBe(false)
      span('call', request.traceparent).end()
      request.end()
    }
    await stop()
    expect(collector.spans).toEqual([])
  })

  it('draws about as many traces as it is told, for one client and one trace id too', async () => {
    const { begin } = await open(0.2)
    let drawn = 0
    for (let each = 0; each < 2_000; each += 1) if (isSampled(begin('GET', sent).traceparent)) drawn += 1
    expect(drawn).toBeGreaterThan(250)
    expect(drawn).toBeLessThan(550)
  })

  it('gives work that serves several traces a span in each, and goes on in the first', async () => {
    const { begin, span, enabled } = await open(1)
    const [a, b] = [begin('a', undefined), begin('b', undefined)]
    const result = await withSpans(tracing, 'hold', [undefined, a.traceparent, b.traceparent], async (traceparent) => {
      span('call', traceparent).end()
      return 'done'
    })
    expect([result, enabled]).toEqual(['done', true])
    await waitFor(async () => collector.spans.length === 3)
    const holds = collector.spans.filter(({ name }) => name === 'hold')
    expect(holds.map(({ traceId }) => traceId)).toEqual([traceIdOf(a.traceparent), traceIdOf(b.traceparent)])
    expect(named('call')).toMatchObject({ parentSpanId: holds[0]!.spanId })
    expect(holds[1]!.links).toEqual([holds[0]!.spanId])
  })

  it('counts spans that the collector does not take, and stops in time without it', async () => {
    collector.status = 400
    const { begin, stop } = await open(1)
    begin('GET', undefined).end()
    await waitFor(async () => (await registry.metrics()).includes('bitka_trace_spans_total{outcome="failed"} 1'))
    await collector.stop()
    begin('GET', undefined).end()
    const startedMs = performance.now()
    await stop()
    expect(performance.now() - startedMs).toBeLessThan(4_000)
  })
})
