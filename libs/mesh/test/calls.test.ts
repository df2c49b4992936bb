import { DomainError, type ErrorKind, errorKinds, silentLogger } from '@bitka/kernel'
import { waitFor } from '@bitka/testkit'
import { Registry } from 'prom-client'
import { createServer, grpcDefinition, implement, type MeshServer } from '../src/index.ts'
import { EchoService, UploadService } from './echo.ts'
import { bindEcho, collect, echoImpl, echoPolicy, Harness, refusal } from './harness.ts'

let harness: Harness
beforeAll(async () => {
  harness = await Harness.open()
})
afterAll(() => harness.close())

/** Waits for its signal, as a well-behaved handler does. */
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))

describe('a call', () => {
  it('carries messages both ways, one or many', async () => {
    const order = harness.client(await harness.serve(), 'order')
    expect((await order.echo({ text: 'héllo' })).text).toBe('héllo')
    expect((await collect(order.watch({ text: 'w' }))).map(({ count }) => count)).toEqual([0n, 1n, 2n])
  })

  it('hands on request id and trace, and makes them where there are none', async () => {
    const server = await harness.serve()
    const gateway = harness.client(server, 'gateway')
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const told = JSON.parse((await gateway.whoAmI({}, { token: 't', ctx: { requestId: 'r-1', traceparent } })).text)
    expect(told).toMatchObject({ caller: 'gateway', requestId: 'r-1', traceparent, user: { userId: 'u' } })
    const untold = JSON.parse((await gateway.whoAmI({}, { token: 't' })).text)
    expect(untold.requestId).toMatch(/^[0-9a-f-]{36}$/)
    expect(untold.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
  })

  it("believes the gateway alone about the person's address", async () => {
    const whoAmI = { ...echoPolicy, echo: { kind: 'internal', callers: ['order', 'gateway'] } } as const
    const impl = { ...echoImpl, echo: echoImpl.whoAmI }
    const server = await harness.serve({ services: [implement(EchoService, impl, whoAmI)] })
    const edge = { clientAddress: '203.0.113.7', userAgent: 'Zoë\n1', idempotencyKey: 'k', prefer: 'respond-async' }
    const told = JSON.parse((await harness.client(server, 'gateway').echo({}, { edge })).text)
    expect(told).toMatchObject({ ...edge, userAgent: 'Zo??1' })
    const hearsay = JSON.parse((await harness.client(server, 'order').echo({}, { edge })).text)
    expect(hearsay.clientAddress).toBeUndefined()
    expect(hearsay.idempotencyKey).toBeUndefined()
  })

  it('counts calls by method and outcome at both ends', async () => {
    const metrics = new Registry()
    const order = harness.client(await harness.serve({ metrics }), 'order', { metrics })
    await order.echo({})
    await refusal(order.operate({}))
    const text = await metrics.metrics()
    expect(text).toContain('rpc_server_calls_total{method="/bitka.test.v1.EchoService/Echo",outcome="ok"} 1')
    expect(text).toContain('rpc_client_calls_total{method="/bitka.test.v1.EchoService/Operate",outcome="forbidden"} 1')
    expect(text).toContain('rpc_server_seconds_bucket')
  })

  it('refuses a message above 4 MiB', async () => {
    const order = harness.client(await harness.serve(), 'order')
    expect(await refusal(order.echo({ text: 'x'.repeat(4_200_000) }))).toMatchObject({ kind: 'rate_limited' })
  })

  it('of a kind that the mesh does not carry does not build', () => {
    expect(() => grpcDefinition(UploadService)).toThrow('unary and server streaming only')
  })
})

describe('an error', () => {
  it.each(errorKinds.filter((kind) => kind !== 'internal'))(
    'of kind %s arrives as it was thrown',
    async (kind: ErrorKind) => {
      const thrown = new DomainError(kind, 'Größer als erlaubt.', { amount: 'is above 10 €' })
      const fail = async () => {
        throw thrown
      }
      const order = harness.client(await harness.serve({ services: [bindEcho({ echo: fail })] }), 'order')
      const caught = await refusal(order.echo({}))
      expect(caught).toBeInstanceOf(DomainError)
      expect(caught).toMatchObject({ kind, message: thrown.message, details: thrown.details })
    },
  )

  it('that nobody expected shows only an id, the same through every hop', async () => {
    const boom = async () => {
      throw new Error('select secret from users')
    }
    const inner = harness.client(await harness.serve({ services: [bindEcho({ echo: boom })] }), 'order')
    const outer = await harness.serve({
      identity: harness.identity('audit'),
      services: [bindEcho({ echo: async (request) => inner.echo(request) })],
    })
    const first = await refusal(inner.echo({}))
    expect(first).toMatchObject({ kind: 'internal', details: { error_id: expect.stringMatching(/^[0-9a-f-]{36}$/) } })
    expect(JSON.stringify(first)).not.toContain('select')
    const through = await refusal(harness.client(outer, 'order', { expect: 'audit' }).echo({}))
    expect(through).toMatchObject({ kind: 'internal', details: { error_id: expect.any(String) } })
  })

  it('in a stream comes after what was sent before it', async () => {
    async function* watch() {
      yield { count: 1n }
      throw new DomainError('conflict', 'The market is halted.')
    }
    const order = harness.client(await harness.serve({ services: [bindEcho({ watch })] }), 'order')
    const seen: bigint[] = []
    const reading = (async () => {
      for await (const { count } of order.watch({})) seen.push(count)
    })()
    expect(await refusal(reading)).toMatchObject({ kind: 'conflict', message: 'The market is halted.' })
    expect(seen).toEqual([1n])
  })
})

describe('a deadline', () => {
  it('is shorter at each hop', async () => {
    let innerMs = 0
    let outerMs = 0
    const echo: typeof echoImpl.echo = async (_request, ctx) => {
      innerMs = ctx.deadlineMs
      return {}
    }
    const inner = harness.client(await harness.serve({ services: [bindEcho({ echo })] }), 'order')
    const hop: typeof echoImpl.echo = async (request, ctx) => {
      outerMs = ctx.deadlineMs
      return inner.echo(request, { ctx })
    }
    const outer = await harness.serve({ identity: harness.identity('audit'), services: [bindEcho({ echo: hop })] })
    const startedMs = Date.now()
    await harness.client(outer, 'order', { expect: 'audit' }).echo({}, { deadlineMs: 6_000 })
    expect(outerMs - startedMs).toBeLessThanOrEqual(9_000)
    expect(innerMs).toBeLessThan(outerMs)
    expect(innerMs).toBeGreaterThan(startedMs + 3_000)
  })

  it('ends the call at both ends', async () => {
    let stopped = false
    const echo: typeof echoImpl.echo = async (_request, { signal }) => {
      await untilAborted(signal).catch(() => {
        stopped = true
      })
      return {}
    }
    const order = harness.client(await harness.serve({ services: [bindEcho({ echo })] }), 'order')
    await order.operate({}).catch(() => {})
    expect(await refusal(order.echo({}, { deadlineMs: 1_500 }))).toMatchObject({ kind: 'deadline_exceeded' })
    await waitFor(() => stopped)
  })

  it('that has passed costs no call', async () => {
    const order = harness.client({ port: 1 }, 'order')
    const startedMs = performance.now()
    const late = refusal(order.echo({}, { ctx: { deadlineMs: Date.now() + 10 } }))
    expect(await late).toMatchObject({ kind: 'deadline_exceeded' })
    expect(performance.now() - startedMs).toBeLessThan(5_000)
  })

  it('of the server ends a call whose handler does not listen', async () => {
    const echo = () => new Promise<never>(() => {})
    const server = await harness.serve({ services: [bindEcho({ echo })], deadlineMsMax: 100 })
    const order = harness.client(server, 'order')
    expect(await refusal(order.echo({}, { deadlineMs: 5_000 }))).toMatchObject({ kind: 'deadline_exceeded' })
  })
})

describe('a caller that goes away', () => {
  it('stops a unary handler', async () => {
    let stopped = false
    let begun = false
    const echo: typeof echoImpl.echo = async (_request, { signal }) => {
      begun = true
      signal.addEventListener('abort', () => {
        stopped = true
      })
      return untilAborted(signal)
    }
    const order = harness.client(await harness.serve({ services: [bindEcho({ echo })] }), 'order')
    const controller = new AbortController()
    const answer = refusal(order.echo({}, { signal: controller.signal }))
    await waitFor(() => begun)
    controller.abort()
    expect(await answer).toMatchObject({ kind: 'unavailable', message: 'The call was cancelled.' })
    await waitFor(() => stopped)
  })

  it.each(['break', 'abort'])('stops a stream by %s', async (how) => {
    let ended = false
    async function* watch(_request: unknown, { signal }: { signal: AbortSignal }) {
      try {
        yield { count: 1n }
        await untilAborted(signal)
      } finally {
        ended = true
      }
    }
    const order = harness.client(await harness.serve({ services: [bindEcho({ watch })] }), 'order')
    const controller = new AbortController()
    const reading = (async () => {
      for await (const _item of order.watch({}, { signal: controller.signal })) {
        if (how === 'break') break
        controller.abort()
      }
      return 'done'
    })()
    if (how === 'break') expect(await reading).toBe('done')
    else expect(await refusal(reading)).toMatchObject({ message: 'The call was cancelled.' })
    await waitFor(() => ended)
  })

  it('reads slowly without filling the server', async () => {
    let made = 0
    async function* watch() {
      for (; made < 20_000; made += 1) yield { text: 'x'.repeat(1_000) }
    }
    const order = harness.client(await harness.serve({ services: [bindEcho({ watch })] }), 'order')
    const items = order.watch({})[Symbol.asyncIterator]()
    await items.next()
    const standing = await waitFor(async () => {
      const before = made
      await new Promise((resolve) => setTimeout(resolve, 100))
      return before > 0 && before === made
    })
    expect(standing).toBe(true)
    expect(made).toBeLessThan(10_000)
    await items.return?.()
  })
})

describe('a service that is not there', () => {
  it('is waited for within the deadline', async () => {
    const probe = await harness.serve()
    const { port } = probe
    await probe.drain(0)
    const order = harness.client({ port }, 'order')
    const answer = order.echo({ text: 'soon' }, { deadlineMs: 30_000 })
    const again = createServer({
      identity: harness.identity('ledger'),
      log: silentLogger,
      port,
      services: [bindEcho()],
      verifyToken,
    })
    await again.start()
    expect((await answer).text).toBe('soon')
    await again.drain(0)
  })

  it('is unavailable after it, for streams too', async () => {
    const order = harness.client({ port: 1 }, 'order', { defaultDeadlineMs: 200 })
    expect(await refusal(order.echo({}))).toMatchObject({ kind: 'unavailable' })
    expect(await refusal(collect(order.watch({})))).toMatchObject({ kind: 'unavailable' })
  })
})

describe('a retry', () => {
  async function flaky(failures: number): Promise<{ server: MeshServer; calls: () => number }> {
    let calls = 0
    const echo: typeof echoImpl.echo = async ({ text }) => {
      calls += 1
      if (calls <= failures) throw new DomainError('unavailable', 'Not now.')
      return { text }
    }
    return { server: await harness.serve({ services: [bindEcho({ echo })] }), calls: () => calls }
  }

  it('is made for an idempotent method', async () => {
    const { server, calls } = await flaky(2)
    const order = harness.client(server, 'order', { idempotent: ['echo'] })
    expect((await order.echo({ text: 'ok' })).text).toBe('ok')
    expect(calls()).toBe(3)
  })

  it('is made for no other', async () => {
    const { server, calls } = await flaky(1)
    expect(await refusal(harness.client(server, 'order').echo({}))).toMatchObject({ kind: 'unavailable' })
    expect(calls()).toBe(1)
  })

  it('ends with its budget', async () => {
    const { server, calls } = await flaky(Number.POSITIVE_INFINITY)
    const order = harness.client(server, 'order', { idempotent: ['echo'] })
    for (let call = 0; call < 20; call += 1) await refusal(order.echo({}))
    // Three attempts each would be 60; the budget stops after the first few.
    expect(calls()).toBeLessThan(27)
  })
})

const verifyToken = () => Promise.reject(new DomainError('unauthenticated', 'No.'))
