import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issueForeignSvid, issueFromIntermediate, type Svid } from '@bitka/dev-ca'
import { silentLogger } from '@bitka/kernel'
import { SpiffeWorkloadAPI, type X509SVID } from '@bitka/proto/spiffe/workload_pb'
import { waitFor } from '@bitka/testkit'
import { Server, ServerCredentials, type ServerWritableStream, status } from '@grpc/grpc-js'
import { Registry } from 'prom-client'
import { createClient, createServer, grpcDefinition, spiffeId, WorkloadIdentity } from '../src/index.ts'
import { EchoService } from './echo.ts'
import { bindEcho, refusal } from './harness.ts'

type Answer = { svids: Partial<X509SVID>[] }

/** A Workload API as an agent serves it, saying what the test tells it to. */
class FakeAgent {
  answer: Answer | 'no identity issued' = 'no identity issued'
  asked = 0
  readonly path: string
  private server = new Server()
  private readonly streams = new Set<ServerWritableStream<object, Answer>>()

  constructor(folder: string) {
    this.path = join(folder, 'agent.sock')
  }

  async open(): Promise<void> {
    this.server = new Server()
    this.server.addService(grpcDefinition(SpiffeWorkloadAPI), {
      fetchX509SVID: (call: ServerWritableStream<object, Answer>) => {
        this.asked += 1
        if (this.answer === 'no identity issued') {
          call.emit('error', { code: status.PERMISSION_DENIED, details: this.answer })
          return
        }
        this.streams.add(call)
        call.write(this.answer)
      },
      fetchX509Bundles: () => {},
    })
    await new Promise<void>((resolve, reject) =>
      this.server.bindAsync(`unix:${this.path}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      ),
    )
  }

  say(answer: Answer): void {
    this.answer = answer
    for (const stream of this.streams) stream.write(answer)
  }

  /** The agent is gone, and its socket with it. */
  async close(): Promise<void> {
    this.streams.clear()
    this.server.forceShutdown()
    await rm(this.path, { force: true })
  }
}

const der = (pem: string): Uint8Array =>
  Buffer.concat(
    Array.from(pem.matchAll(/-----BEGIN [^-]+-----([^-]+)-----END/g), ([, body = '']) => Buffer.from(body, 'base64')),
  )

const svidOf = (id: string, svid: Svid, hint = ''): Partial<X509SVID> => ({
  spiffeId: id,
  x509Svid: der(svid.certificatePem),
  x509SvidKey: der(svid.privateKeyPem),
  bundle: der(svid.bundlePem),
  hint,
})

const domain = 'bitka.local'
const ids = {
  order: spiffeId(domain, 'order'),
  ledger: spiffeId(domain, 'ledger'),
  foreign: spiffeId('other.test', 'order'),
}
const made = async (id: string, named = id): Promise<Partial<X509SVID>> =>
  svidOf(id, await issueForeignSvid(domain, [named]))

let folder: string
let agent: FakeAgent
const open: { close(): void }[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bitka-agent-'))
  agent = new FakeAgent(folder)
  await agent.open()
})
afterEach(async () => {
  for (const one of open.splice(0)) one.close()
  await agent.close()
  await rm(folder, { recursive: true, force: true })
})

function connect(options: Partial<Parameters<typeof WorkloadIdentity.connect>[0]> = {}): WorkloadIdentity {
  const identity = WorkloadIdentity.connect({ socketPath: `unix:${agent.path}`, log: silentLogger, ...options })
  open.push(identity)
  return identity
}

it('takes the first of several identities, as the standard says, whatever their hints', async () => {
  agent.answer = {
    svids: [
      { ...(await made(ids.ledger)), hint: 'internal' },
      { ...(await made(ids.order)), hint: 'external' },
    ],
  }
  const identity = connect()
  await identity.ready({ timeoutMs: 30_000 })
  expect(identity.current().spiffeId).toBe(ids.ledger)
})

it('takes the one that it is to be, wherever it stands, and its newest certificate', async () => {
  const [first, second] = [await made(ids.order), await made(ids.order)]
  agent.answer = { svids: [await made(ids.ledger), await made(ids.foreign), first] }
  const identity = connect({ expect: ids.order })
  await identity.ready({ timeoutMs: 30_000 })
  expect(identity.current().spiffeId).toBe(ids.order)
  agent.say({ svids: [second, await made(ids.ledger)] })
  const fingerprint = () => new X509Certificate(identity.current().certificatePem).raw
  await waitFor(() => fingerprint().equals(second.x509Svid ?? Buffer.alloc(0)))
})

it('is nobody while it may only be somebody else, and keeps what it has when that is taken from it', async () => {
  agent.answer = { svids: [await made(ids.ledger)] }
  const metrics = new Registry()
  const identity = connect({ expect: ids.order, metrics })
  expect(await refusal(identity.ready({ timeoutMs: 300 }))).toMatchObject({ kind: 'unavailable' })
  const own = await made(ids.order)
  agent.say({ svids: [own] })
  await identity.ready({ timeoutMs: 30_000 })
  const failed = async () => /svid_updates_total\{outcome="error"\} (\d+)/.exec(await metrics.metrics())?.[1]
  const before = await failed()
  agent.say({ svids: [await made(ids.ledger)] })
  await waitFor(async () => (await failed()) !== before)
  expect(identity.current().spiffeId).toBe(ids.order)
})

it.each([
  ['no identity', async () => ({ svids: [] })],
  ['a certificate of somebody else', async () => ({ svids: [await made(ids.order, ids.ledger)] })],
  [
    'a key of another certificate',
    async () => ({ svids: [{ ...(await made(ids.order)), x509SvidKey: (await made(ids.order)).x509SvidKey }] }),
  ],
  ['no roots', async () => ({ svids: [{ ...(await made(ids.order)), bundle: Buffer.alloc(0) }] })],
  [
    'half a certificate',
    async () => ({ svids: [{ ...(await made(ids.order)), x509Svid: Buffer.from('3082', 'hex') }] }),
  ],
])('does not take an answer with %s, and keeps what it has', async (_what, bad: () => Promise<Answer>) => {
  agent.answer = { svids: [await made(ids.order)] }
  const metrics = new Registry()
  const identity = connect({ metrics })
  await identity.ready({ timeoutMs: 30_000 })
  const { certificatePem } = identity.current()
  agent.say(await bad())
  await waitFor(async () => /svid_updates_total\{outcome="error"\} [1-9]/.test(await metrics.metrics()))
  expect(identity.current().certificatePem).toBe(certificatePem)
})

it('asks until an entry exists, and again after each restart of the agent', async () => {
  const identity = connect()
  await waitFor(() => agent.asked >= 2)
  agent.answer = { svids: [await made(ids.order)] }
  await identity.ready({ timeoutMs: 30_000 })
  for (const _restart of [1, 2]) {
    const before = identity.current().certificatePem
    await agent.close()
    expect(identity.current().spiffeId).toBe(ids.order)
    agent.answer = { svids: [await made(ids.order)] }
    await agent.open()
    await waitFor(() => identity.current().certificatePem !== before)
  }
})

it('knows when its certificate is past', async () => {
  const svid = await issueForeignSvid(domain, [ids.order], { notAfterMs: Date.now() + 6_000 })
  agent.answer = { svids: [svidOf(ids.order, svid)] }
  const identity = connect()
  expect(identity.isValid()).toBe(false)
  await identity.ready({ timeoutMs: 30_000 })
  expect(identity.isValid()).toBe(true)
  await waitFor(() => !identity.isValid())
})

it('follows a change of the roots alone', async () => {
  const own = await made(ids.order)
  const other = await made(ids.order)
  agent.answer = { svids: [own] }
  const identity = connect()
  await identity.ready({ timeoutMs: 30_000 })
  agent.say({
    svids: [{ ...own, bundle: Buffer.concat([own.bundle ?? Buffer.alloc(0), other.bundle ?? Buffer.alloc(0)]) }],
  })
  await waitFor(() => identity.current().bundlePem.match(/BEGIN/g)?.length === 2)
})

it('speaks with certificates of a CA below the root, as SPIRE issues them', async () => {
  const [client, server] = await issueFromIntermediate(domain, [ids.order, ids.ledger])
  if (!client || !server) throw new Error('two were asked for')
  agent.answer = { svids: [svidOf(ids.order, client), svidOf(ids.ledger, server)] }
  const [order, ledger] = [connect({ expect: ids.order }), connect({ expect: ids.ledger })]
  await Promise.all([order.ready({ timeoutMs: 30_000 }), ledger.ready({ timeoutMs: 30_000 })])
  expect(order.current().certificatePem.match(/BEGIN/g)).toHaveLength(2)
  const verifyToken = () => Promise.reject(new Error('nobody signs in here'))
  const echo = createServer({ identity: ledger, log: silentLogger, port: 0, services: [bindEcho()], verifyToken })
  await echo.start()
  const target = `localhost:${echo.port}`
  const caller = createClient(EchoService, { identity: order, target, expect: 'ledger', log: silentLogger })
  try {
    expect(await caller.echo({ text: 'x' })).toMatchObject({ text: 'x' })
  } finally {
    caller.close()
    await echo.drain(0)
  }
})
