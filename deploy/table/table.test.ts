import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { services as embeddedServices, environments, type Ports, readConfig } from '@bitka/embedded'
import { serviceNames as loggedNames, topics } from '@bitka/events'
import { type MethodPolicy, parseSpiffeId, type ServiceName, serviceNames, spiffeId } from '@bitka/mesh'
import { repositoryFolder } from '@bitka/service'
import { infrastructure, namespace, serviceTable } from './index.ts'

/**
 * Who calls whom, written by hand from architecture.md: what the table, the policies and the sources are held against.
 * Everybody asks auth for keys and revoked sessions; auth asks nobody.
 */
const expectedCalls: Record<ServiceName, readonly ServiceName[]> = {
  gateway: ['auth', 'user', 'ledger', 'order', 'matching', 'market-data', 'notification', 'audit'],
  auth: [],
  user: ['auth'],
  ledger: ['auth'],
  order: ['auth', 'ledger'],
  matching: ['auth'],
  'market-data': ['auth'],
  notification: ['auth', 'user'],
  audit: ['auth'],
}

/** Methods that a service may call and does not: reads of the engines, which stay closed in the network until they are used. */
const permittedAndUnused = [
  'market-data → matching.getBook',
  'market-data → matching.getStateHash',
  'market-data → matching.getStatus',
  'order → matching.getBook',
  'order → matching.getStateHash',
  'order → matching.getStatus',
]

const root = join(repositoryFolder('deploy'), '..')
const backends = serviceNames.filter((name) => name !== 'gateway')

function sourcesOf(folder: string): string {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(root, folder, file), 'utf8'))
    .join('\n')
}

/** The policies of a service, by method, of all its gRPC services. */
async function policyOf(name: ServiceName): Promise<Map<string, MethodPolicy>> {
  const module: Record<string, unknown> = await import(join(root, 'services', name, 'src/policy.ts'))
  const isPolicy = (value: unknown): value is Record<string, MethodPolicy> =>
    typeof value === 'object' && value !== null && Object.values(value).every((rule) => rule?.kind !== undefined)
  return new Map(
    Object.values(module)
      .filter(isPolicy)
      .flatMap((policy) => Object.entries(policy)),
  )
}

/** The peers that a service's source makes clients for: `client(SomeService, 'peer', …)`. */
function clientsIn(source: string): Set<string> {
  return new Set(Array.from(source.matchAll(/\bclient\(\w+Service, '([a-z-]+)'/g), ([, peer = '']) => peer))
}

it('names every service of the mesh once, in the order of its ports', () => {
  expect(serviceTable.map(({ name }) => name).sort()).toEqual([...serviceNames].sort())
  expect([...loggedNames].sort()).toEqual([...serviceNames].sort())
  const ports = serviceTable.map(({ port }) => port)
  expect(ports).toEqual([...ports].sort((a, b) => a - b))
})

it('gives out no port twice, replicas and the gateway’s second port included', () => {
  const step = 5
  const ports = serviceTable.flatMap(({ name, port, metricsPort }) =>
    [port, metricsPort, ...(name === 'gateway' ? [port + 1] : [])].flatMap((one) => [one, one + step]),
  )
  // PostgreSQL, Envoy's and Kafka's are no service's.
  const others = [7432, 8443, 8444, 8445, 8480, 8901, 9093, 9094]
  expect(new Set([...ports, ...others]).size).toBe(ports.length + others.length)
})

it('gives out no account twice, and none that a system gives to people or to daemons of its own', () => {
  const uids = [...serviceTable, ...infrastructure].map(({ uid }) => uid)
  expect(new Set(uids).size).toBe(uids.length)
  // PostgreSQL runs as nobody.
  expect(uids.filter((uid) => uid < 47_000 || uid >= 48_000)).toEqual([65_534])
})

it('names a SPIFFE ID of its namespace for each', () => {
  for (const { name } of [...serviceTable, ...infrastructure]) {
    const id = spiffeId('bitka.local', name)
    expect(id).toBe(`spiffe://bitka.local/ns/${namespace}/sa/${name}`)
    expect(parseSpiffeId(id)?.service).toBe(serviceNames.find((service) => service === name))
  }
})

it('says who calls whom', () => {
  expect(Object.fromEntries(serviceTable.map(({ name, calls }) => [name, calls]))).toEqual(expectedCalls)
})

it.each(backends)('has the calls that the source of %s makes', (name) => {
  const own = clientsIn(sourcesOf(`services/${name}/src`))
  // The keys and the revoked sessions, which only auth has itself.
  if (name !== 'auth') for (const peer of clientsIn(sourcesOf('libs/service/src'))) own.add(peer)
  expect([...own].sort()).toEqual([...expectedCalls[name]].sort())
})

it('has the calls that the source of the gateway makes', () => {
  const peers = clientsIn(sourcesOf('gateway/src'))
  expect(peers.size).toBeGreaterThan(0)
  for (const peer of peers) expect(expectedCalls.gateway).toContain(peer)
})

it('is what the policies of the services permit, but for what is written down', async () => {
  const unused: string[] = []
  const needed = new Set<string>()
  for (const callee of backends) {
    for (const [method, rule] of await policyOf(callee)) {
      const callers: readonly ServiceName[] = rule.kind === 'internal' ? rule.callers : ['gateway']
      for (const caller of callers) {
        if (expectedCalls[caller].includes(callee)) needed.add(`${caller} → ${callee}`)
        // A service never calls itself, and auth has its own keys at hand.
        else if (caller !== callee) unused.push(`${caller} → ${callee}.${method}`)
      }
    }
  }
  expect(unused.sort()).toEqual(permittedAndUnused)
  // OperationsService, which every service has, is the gateway's reason for those that no person's method is on.
  const calls = Object.entries(expectedCalls).flatMap(([caller, list]) => list.map((callee) => `${caller} → ${callee}`))
  expect(calls.filter((call) => !needed.has(call) && !call.startsWith('gateway'))).toEqual([])
})

it('has the services that the embedded exchange is composed of, with their peers and their databases', () => {
  expect([...embeddedServices].sort()).toEqual([...backends].sort())
  const ports = Object.fromEntries(embeddedServices.map((name, index) => [name, index + 1])) as Ports
  const surroundings: Parameters<typeof environments>[1] = {
    ca: { trustDomain: 'bitka.local', socketPath: (name) => `/sockets/${name}` },
    mail: { url: 'http://mail' },
    appUrl: (name) => `app:${name}`,
    ownerUrl: (name) => `owner:${name}`,
  }
  const secrets = { authKek: '', mailApiKey: '', mailSigningKey: '' } as Parameters<typeof environments>[2]
  const made = environments(readConfig({}), surroundings, secrets, ports, undefined)
  for (const { name, database, calls } of serviceTable) {
    expect(made[name].SPIFFE_ENDPOINT_SOCKET).toBe(`/sockets/${name}`)
    expect(made[name].BITKA_DB_URL).toBe(database ? `app:${name}` : undefined)
    const peers = made[name].BITKA_PEERS?.split(',').map((peer) => peer.split('=')[0])
    for (const callee of calls) expect(peers).toContain(callee)
  }
})

it('says which services have a schema: those with migrations', () => {
  for (const { name, database } of serviceTable)
    expect([name, existsSync(join(root, 'services', name, 'migrations'))]).toEqual([name, database])
})

it('gives every producer of events a row with a database, where its outbox is, and every consumer a row', () => {
  for (const [topic, { producers, consumers }] of Object.entries(topics)) {
    for (const name of producers)
      expect([topic, name, serviceTable.find((row) => row.name === name)?.database]).toEqual([topic, name, true])
    for (const name of consumers)
      expect([topic, name, serviceTable.some((row) => row.name === name)]).toEqual([topic, name, true])
  }
})
