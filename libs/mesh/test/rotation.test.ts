import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDevCa } from '@bitka/dev-ca'
import { silentLogger } from '@bitka/kernel'
import { SpiffeWorkloadAPI } from '@bitka/proto/spiffe/workload_pb'
import { waitFor } from '@bitka/testkit'
import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import { Registry } from 'prom-client'
import { grpcDefinition, WorkloadIdentity } from '../src/index.ts'
import { bindEcho, Harness, refusal } from './harness.ts'

/** Never ends by itself. */
async function* ticks(_request: unknown, { signal }: { signal: AbortSignal }) {
  for (let count = 0n; !signal.aborted; count += 1n) {
    yield { count }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Calls as fast as answers come, and keeps a stream open, until stopped; answers how many calls were answered. */
function load(harness: Harness, port: number) {
  // How long a busy machine takes to connect anew is not what is tested.
  const order = harness.client({ port }, 'order', { defaultDeadlineMs: 60_000 })
  const failures: unknown[] = []
  let calls = 0
  let items = 0
  let running = true
  const caller = async () => {
    while (running) {
      await order.echo({ text: 'x' }).then(
        () => {
          calls += 1
        },
        (error: unknown) => failures.push(error),
      )
    }
  }
  const reader = async () => {
    for await (const _tick of order.watch({})) {
      items += 1
      if (!running) break
    }
  }
  const done = Promise.all([caller(), caller(), caller(), caller(), reader()])
  return {
    so: () => ({ calls, items }),
    stop: async () => {
      running = false
      await done
      return { calls, items, failures }
    },
  }
}

it('replaces certificates under load without a failed call', async () => {
  const harness = await Harness.open({ ttlSeconds: 4 })
  try {
    const server = await harness.serve({
      services: [bindEcho({ watch: ticks })],
      connectionAgeMsMax: 1_000,
      connectionGraceMs: 30_000,
    })
    let updates = 0
    harness.identity('ledger').onUpdate(() => {
      updates += 1
    })
    const running = load(harness, server.port)
    // However slow the machine is: several certificates, and calls and a stream all the while.
    await waitFor(() => updates >= 3 && running.so().calls > 100 && running.so().items > 20, { timeoutMs: 60_000 })
    const { failures } = await running.stop()
    expect(failures).toEqual([])
  } finally {
    await harness.close()
  }
})

it('replaces the root under load without a failed call', async () => {
  const harness = await Harness.open()
  try {
    const server = await harness.serve({
      services: [bindEcho({ watch: ticks })],
      connectionAgeMsMax: 300,
      connectionGraceMs: 30_000,
    })
    const before = (await harness.ca.issue({})).bundlePem
    const running = load(harness, server.port)
    await harness.ca.rotateCa(5_000)
    await harness.ca.rotateNow()
    const { failures } = await running.stop()
    expect(failures).toEqual([])
    const { bundlePem } = harness.identity('order').current()
    expect(bundlePem).toContain(before.trim())
    expect(bundlePem.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
  } finally {
    await harness.close()
  }
})

it('tells when its certificate expires', async () => {
  const harness = await Harness.open()
  const metrics = new Registry()
  const identity = WorkloadIdentity.connect({
    socketPath: `unix:${harness.ca.socketPath('audit')}`,
    log: silentLogger,
    metrics,
  })
  await identity.ready({ timeoutMs: 30_000 })
  const { notAfterMs, spiffeId, privateKeyPem } = identity.current()
  expect(spiffeId).toBe('spiffe://bitka.local/ns/bitka/sa/audit')
  expect(privateKeyPem).toContain('BEGIN PRIVATE KEY')
  expect(await metrics.metrics()).toContain(`svid_expires_at_seconds ${notAfterMs / 1000}`)
  identity.close()
  await harness.close()
})

it('goes on asking when nobody has registered it yet, and while the API is away', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'bitka-mesh-'))
  const path = join(dir, 'sockets', 'order.sock')
  const identity = WorkloadIdentity.connect({ socketPath: path, log: silentLogger })
  expect(await refusal(identity.ready({ timeoutMs: 100 }))).toMatchObject({ kind: 'unavailable' })
  expect(() => identity.current()).toThrow('no identity yet')

  let asked = 0
  const stranger = new Server()
  stranger.addService(grpcDefinition(SpiffeWorkloadAPI), {
    fetchX509SVID: (call: { emit(event: 'error', error: object): void }) => {
      asked += 1
      call.emit('error', { code: status.PERMISSION_DENIED, details: 'no identity issued' })
    },
    fetchX509Bundles: () => {},
  })
  const ca = await startDevCa({ dir, services: [{ name: 'order' }], log: silentLogger })
  await ca.stop()
  await new Promise<void>((resolve) =>
    stranger.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), () => resolve()),
  )
  await waitFor(() => asked >= 2)
  stranger.forceShutdown()

  const again = await startDevCa({ dir, services: [{ name: 'order' }], log: silentLogger })
  await identity.ready({ timeoutMs: 30_000 })
  expect(identity.current().trustDomain).toBe('bitka.local')
  identity.close()
  await again.stop()
  await rm(dir, { recursive: true, force: true })
})
