import { join } from 'node:path'
import { startDevCa } from '@bitka/dev-ca'
import { silentLogger } from '@bitka/kernel'
import { createClient, createServer, grpcDefinition, implement, WorkloadIdentity } from '@bitka/mesh'
import { ContactService } from '@bitka/proto/bitka/user/v1/user_pb'
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js'
import type { Cleanup } from '../cleanup.ts'
import type { Metric } from '../report.ts'
import { median, round } from '../stats.ts'
import { type CountingProxy, countingProxy } from './counting-proxy.ts'

const CALLS = 4_000
const IN_FLIGHT = 16
const WARM_UP_CALLS = 2_000
const user = '0196c0de-0000-7000-8000-000000000001'
const answer = { contacts: [{ userId: user, email: 'somebody@example.com', username: 'somebody' }] }

type Way = { name: 'mesh' | 'tls' | 'plain'; call(): Promise<unknown>; proxy: CountingProxy }
type Cost = { cpuUs: number; bytes: number }

export type MeshBenchOptions = { folder: string; rounds: number; cleanup: Cleanup; log: (line: string) => void }

/**
 * What a call costs both of its ends, which share this process: over our mesh, over grpc-js with the same certificates and
 * nothing of ours, and over grpc-js without TLS. The proxy that counts bytes is in the process too, the same for all three.
 */
export async function benchMeshCall({ folder, rounds, cleanup, log }: MeshBenchOptions): Promise<Metric[]> {
  const ways = await openWays(folder, cleanup)
  for (const way of ways) await run(way, WARM_UP_CALLS)
  const costs = new Map(ways.map(({ name }) => [name, [] as Cost[]]))
  for (let turn = 1; turn <= rounds; turn += 1) {
    for (const way of ways) costs.get(way.name)?.push(await run(way, CALLS))
  }
  const middle = (name: Way['name'], read: (cost: Cost) => number): number =>
    round(median((costs.get(name) ?? []).map(read)))
  const cpu = (name: Way['name']): number => middle(name, ({ cpuUs }) => cpuUs)
  const bytes = (name: Way['name']): number => middle(name, ({ bytes: count }) => count)
  log(`stack mesh call: ${cpu('mesh')} µs of CPU; grpc-js with TLS ${cpu('tls')}, without ${cpu('plain')}`)
  const conditions = {
    what: 'unary calls of ContactService.GetContacts, both ends and a byte-counting TCP proxy in one process',
    calls: CALLS,
    in_flight: IN_FLIGHT,
    rounds,
    warm_up_calls: WARM_UP_CALLS,
  }
  const metric = (id: string, value: number, unit: string, peer: string, peerValue: number): Metric => ({
    id,
    value,
    unit,
    better: 'lower',
    peer,
    peer_value: peerValue,
    conditions,
  })
  return [
    metric('stack.mesh_call_cpu_us', cpu('mesh'), 'us', 'grpc-js alone, without TLS', cpu('plain')),
    metric('stack.mtls_call_cpu_us', cpu('tls'), 'us', 'the same without TLS', cpu('plain')),
    metric('stack.mtls_call_bytes', bytes('tls'), 'bytes', 'the same without TLS', bytes('plain')),
  ]
}

async function run({ call, proxy }: Way, calls: number): Promise<Cost> {
  const startBytes = proxy.bytes()
  const start = process.cpuUsage()
  let left = calls
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      await call()
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
  const { user: userUs, system } = process.cpuUsage(start)
  return { cpuUs: (userUs + system) / calls, bytes: (proxy.bytes() - startBytes) / calls }
}

async function openWays(folder: string, cleanup: Cleanup): Promise<Way[]> {
  const services = [{ name: 'user' as const }, { name: 'notification' as const }]
  const ca = await startDevCa({ dir: join(folder, 'mesh-identity'), services, log: silentLogger })
  cleanup.add('CA', () => ca.stop())
  const identity = async (name: 'user' | 'notification'): Promise<WorkloadIdentity> => {
    const opened = WorkloadIdentity.connect({ socketPath: ca.socketPath(name), log: silentLogger })
    cleanup.add(`identity of ${name}`, () => opened.close())
    await opened.ready()
    return opened
  }
  const [server, caller] = [await identity('user'), await identity('notification')]
  const through = async (port: number): Promise<CountingProxy> => {
    const proxy = await countingProxy(port)
    cleanup.add('proxy', () => proxy.close())
    return proxy
  }
  return [
    await meshWay(server, caller, through, cleanup),
    await rawWay('tls', server, caller, through, cleanup),
    await rawWay('plain', server, caller, through, cleanup),
  ]
}

type Through = (port: number) => Promise<CountingProxy>

async function meshWay(
  identity: WorkloadIdentity,
  caller: WorkloadIdentity,
  through: Through,
  cleanup: Cleanup,
): Promise<Way> {
  const policy = { getContacts: { kind: 'internal', callers: ['notification'] } } as const
  const mesh = createServer({
    identity,
    log: silentLogger,
    port: 0,
    services: [implement(ContactService, { getContacts: async () => answer }, policy)],
    verifyToken: async () => {
      throw new Error('nobody signs in here')
    },
  })
  await mesh.start()
  cleanup.add('mesh server', () => mesh.drain(0))
  const proxy = await through(mesh.port)
  const target = `localhost:${proxy.port}`
  const client = createClient(ContactService, { identity: caller, target, expect: 'user', log: silentLogger })
  cleanup.add('mesh client', () => client.close())
  return { name: 'mesh', proxy, call: () => client.getContacts({ userIds: [user] }) }
}

async function rawWay(
  name: 'tls' | 'plain',
  identity: WorkloadIdentity,
  caller: WorkloadIdentity,
  through: Through,
  cleanup: Cleanup,
): Promise<Way> {
  const definition = grpcDefinition(ContactService)
  const server = new Server()
  server.addService(definition, {
    getContacts: (_call: unknown, done: (e: null, a: object) => void) => done(null, answer),
  })
  const own = identity.current()
  const secure = ServerCredentials.createSsl(
    Buffer.from(own.bundlePem),
    [{ private_key: Buffer.from(own.privateKeyPem), cert_chain: Buffer.from(own.certificatePem) }],
    true,
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', name === 'tls' ? secure : ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
  cleanup.add('grpc server', () => server.forceShutdown())
  const proxy = await through(port)
  const { bundlePem, privateKeyPem, certificatePem } = caller.current()
  const client = new Client(
    `localhost:${proxy.port}`,
    name === 'tls'
      ? credentials.createSsl(Buffer.from(bundlePem), Buffer.from(privateKeyPem), Buffer.from(certificatePem), {
          // An SVID has no host name; the cost of looking at its SPIFFE ID is not TLS's.
          checkServerIdentity: () => undefined,
        })
      : credentials.createInsecure(),
  )
  cleanup.add('grpc client', () => client.close())
  const method = definition.getContacts
  if (!method) throw new Error('the service has a method')
  const call = (): Promise<unknown> =>
    new Promise((resolve, reject) =>
      client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        { userIds: [user] },
        (e, a) => (e ? reject(e) : resolve(a)),
      ),
    )
  return { name, proxy, call }
}
