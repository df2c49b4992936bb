import { Health, HealthCheckResponse_ServingStatus as Status } from '@bitka/proto/grpc/health/v1/health_pb'
import { waitFor } from '@bitka/testkit'
import { Client, credentials } from '@grpc/grpc-js'
import { grpcDefinition, type MeshServer } from '../src/index.ts'
import { bindEcho, collect, Harness, refusal } from './harness.ts'

let harness: Harness
beforeAll(async () => {
  harness = await Harness.open()
})
afterAll(() => harness.close())

/** A probe: an identity of the trust domain that is no service, and standard gRPC. */
async function probe(server: MeshServer, uris = ['spiffe://bitka.local/ns/kube-system/sa/kubelet']) {
  const svid = await harness.ca.issue({ uris })
  const channel = credentials.createSsl(
    Buffer.from(svid.bundlePem),
    Buffer.from(svid.privateKeyPem),
    Buffer.from(svid.certificatePem),
    { checkServerIdentity: () => undefined },
  )
  const client = new Client(`localhost:${server.port}`, channel)
  const { check, watch } = grpcDefinition(Health)
  return {
    check: (service: string) =>
      new Promise<Status | string>((resolve) => {
        client.makeUnaryRequest(
          check!.path,
          check!.requestSerialize,
          check!.responseDeserialize,
          { service },
          (error?: Error | null, answer?: { status: Status }) => resolve(answer?.status ?? error?.message ?? ''),
        )
      }),
    watch: (seen: Status[]) => {
      const stream = client.makeServerStreamRequest(
        watch!.path,
        watch!.requestSerialize,
        watch!.responseDeserialize,
        {},
      )
      stream.on('data', (answer: { status: Status }) => seen.push(answer.status))
      stream.on('error', () => {})
      return new Promise<void>((resolve) => stream.on('end', () => resolve()))
    },
    close: () => client.close(),
  }
}

describe('health', () => {
  it('is told to any identity of the trust domain', async () => {
    const server = await harness.serve()
    const kubelet = await probe(server)
    expect(await kubelet.check('')).toBe(Status.SERVING)
    expect(await kubelet.check('bitka.test.v1.EchoService')).toBe(Status.SERVING)
    expect(await kubelet.check('no.such.Service')).toContain('NOT_FOUND')
    server.health.set(false)
    expect(await kubelet.check('')).toBe(Status.NOT_SERVING)
    kubelet.close()
    const stranger = await probe(server, ['spiffe://other.test/x'])
    expect(await stranger.check('')).toContain('PERMISSION_DENIED')
    stranger.close()
  })

  it('is told at each change, and the watch ends with the server', async () => {
    const server = await harness.serve()
    const kubelet = await probe(server)
    const seen: Status[] = []
    const ended = kubelet.watch(seen)
    await waitFor(() => seen.length === 1)
    server.health.set(false)
    server.health.set(true)
    await waitFor(() => seen.length === 3)
    await server.drain(5_000)
    await ended
    server.health.set(true)
    expect(server.health.serving).toBe(false)
    expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING, Status.SERVING, Status.NOT_SERVING])
    kubelet.close()
  })
})

describe('a drain', () => {
  it('lets calls finish and takes no new ones', async () => {
    let finish = () => {}
    let begun = false
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    const echo = async () => {
      begun = true
      await finished
      return { text: 'finished' }
    }
    const server = await harness.serve({ services: [bindEcho({ echo })] })
    const order = harness.client(server, 'order')
    const slow = order.echo({})
    await waitFor(() => begun)
    const drained = server.drain(10_000)
    const late = harness.client(server, 'gateway')
    expect(await refusal(late.echo({}, { deadlineMs: 300 }))).toMatchObject({ kind: 'unavailable' })
    finish()
    expect((await slow).text).toBe('finished')
    await drained
  })

  it('stops what does not finish in time', async () => {
    let stopped = false
    let begun = false
    const echo = (_request: unknown, { signal }: { signal: AbortSignal }) => {
      begun = true
      signal.addEventListener('abort', () => {
        stopped = true
      })
      return new Promise<never>(() => {})
    }
    const server = await harness.serve({ services: [bindEcho({ echo })] })
    const answer = refusal(harness.client(server, 'order').echo({}))
    await waitFor(() => begun)
    await server.drain(100)
    expect(await answer).toMatchObject({ kind: 'unavailable' })
    expect(stopped).toBe(true)
  })

  it('ends streams at once, so that their readers go elsewhere', async () => {
    let begun = false
    async function* watch(_request: unknown, { signal }: { signal: AbortSignal }) {
      begun = true
      yield {}
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    }
    const server = await harness.serve({ services: [bindEcho({ watch })] })
    const reading = refusal(collect(harness.client(server, 'order').watch({})))
    await waitFor(() => begun)
    const startedMs = performance.now()
    await server.drain(60_000)
    expect(performance.now() - startedMs).toBeLessThan(30_000)
    expect(await reading).toMatchObject({ kind: 'unavailable', message: expect.stringContaining('shutting down') })
  })
})
