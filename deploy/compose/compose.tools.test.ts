import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { repositoryFolder } from '@bitka/service'
import { parse } from 'yaml'
import { edgePorts } from '../envoy/render.ts'
import { registrationEntries, WORKLOAD_LABEL } from '../spire/entries.ts'
import { infrastructure, serviceTable } from '../table/index.ts'
import { accounts, secretFiles } from './secrets.ts'

type Service = {
  image: string
  user: string
  networks?: Record<string, unknown>
  ports?: { target: number; published: string; host_ip?: string }[]
  environment?: Record<string, string>
  labels?: Record<string, string>
  depends_on?: Record<string, { condition: string }>
  secrets?: { source: string; target?: string }[]
  volumes?: { type: string; source: string; target: string; read_only?: boolean }[]
  build?: { target: string; args?: Record<string, string> }
  healthcheck?: { test: string[] }
}
type Project = {
  services: Record<string, Service>
  secrets: Record<string, { file: string }>
  volumes: Record<string, { driver_opts?: { o?: string } }>
}

const repository = dirname(repositoryFolder('deploy'))
const { services, secrets, volumes } = resolved()

/** What compose makes of the file, with the example's variables. */
function resolved(): Project {
  const args = [join(repository, 'scripts/lint-compose.mjs'), '--print']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 26 })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Project
}

const service = (name: string): Service => {
  const found = services[name]
  if (!found) throw new Error(`compose has no ${name}`)
  return found
}
const membersOf = (network: string): string[] =>
  Object.entries(services)
    .filter(([, { networks }]) => network in (networks ?? {}))
    .map(([name]) => name)
    .sort()
const names = (list: readonly { name: string }[]): string[] => list.map(({ name }) => name)
const withDatabase = serviceTable.filter(({ database }) => database)

describe.each(serviceTable.map((row) => [row.name, row] as const))('%s', (name, row) => {
  const { environment = {}, labels, user, image, networks = {}, depends_on = {} } = service(name)

  it('runs under its account, with its image and its identity', () => {
    expect(user).toBe(`${row.uid}:${row.uid}`)
    expect(image).toBe(`bitka/${name}:dev`)
    expect(labels?.[WORKLOAD_LABEL]).toBe(name)
  })

  it('listens where the table says', () => {
    expect(environment['BITKA_METRICS_PORT']).toBe(String(row.metricsPort))
    const port = name === 'gateway' ? environment['BITKA_HTTP_PORT'] : environment['BITKA_RPC_PORT']
    expect(port).toBe(String(row.port))
  })

  it('knows exactly those whom it calls, and is on the network with them', () => {
    const peers = row.calls.map(
      (peer) => `${peer}=dns:///${peer}:${serviceTable.find((one) => one.name === peer)?.port}`,
    )
    expect((environment['BITKA_PEERS'] ?? '').split(',').filter(Boolean).sort()).toEqual([...peers].sort())
    expect(networks).toHaveProperty('mesh')
  })

  it('reaches the database and the event log only if it has business there', () => {
    expect('data' in networks).toBe(row.database)
    expect(depends_on['migrate']?.condition).toBe(row.database ? 'service_completed_successfully' : undefined)
    expect(environment['BITKA_DB_URL_FILE']).toBe(row.database ? `/run/secrets/${name}-app-url` : undefined)
  })
})

describe('the networks', () => {
  it('have Envoy alone at the edge, which publishes its four doors and neither metrics nor its own administration', () => {
    expect(membersOf('edge')).toEqual(['envoy'])
    const published = Object.entries(services).flatMap(([name, { ports = [] }]) =>
      ports.map((port) => ({ name, ...port })),
    )
    expect(published.map(({ name, target }) => [name, target])).toEqual(
      [edgePorts.public, edgePorts.plain, edgePorts.admin, edgePorts.mesh].map((port) => ['envoy', port]),
    )
  })

  it('show operators and internal callers to this machine alone, unless somebody says otherwise', () => {
    const local = service('envoy').ports?.filter(({ host_ip }) => host_ip === '127.0.0.1')
    expect(local?.map(({ target }) => target)).toEqual([edgePorts.admin, edgePorts.mesh])
  })

  it('have on data who uses the data', () => {
    const others = ['backup', 'kafka', 'kafka-admin', 'migrate', 'postgres', 'prometheus']
    expect(membersOf('data')).toEqual([...names(withDatabase), ...others].sort())
    expect(membersOf('mesh')).toEqual([...names(serviceTable), 'collector', 'envoy', 'prometheus'].sort())
  })

  it('let one service out, to the mail provider', () => {
    expect(membersOf('egress')).toEqual(['notification'])
  })

  it('let Prometheus reach every target of its configuration, at the port that is there', () => {
    const file = join(repository, 'deploy/observability/prometheus.yml')
    const { scrape_configs } = parse(readFileSync(file, 'utf8')) as {
      scrape_configs: { static_configs: { targets: string[] }[] }[]
    }
    const targets = scrape_configs.flatMap(({ static_configs }) => static_configs.flatMap((one) => one.targets))
    const from = Object.keys(service('prometheus').networks ?? {})
    for (const target of targets.filter((one) => !one.startsWith('localhost:'))) {
      const [host = '', port] = target.split(':')
      expect({
        target,
        together: Object.keys(service(host).networks ?? {}).some((name) => from.includes(name)),
      }).toEqual({
        target,
        together: true,
      })
      const environment = service(host).environment ?? {}
      const own = environment['BITKA_METRICS_PORT'] ?? environment['BITKA_BACKUP_METRICS_PORT']
      if (own !== undefined) expect({ target, port }).toEqual({ target, port: own })
    }
  })
})

it('records traces where the collector takes them', () => {
  const endpoint = new URL(service('order').environment?.['BITKA_OTLP_ENDPOINT'] ?? '')
  const { receivers } = parse(readFileSync(join(repository, 'deploy/observability/collector.yaml'), 'utf8')) as {
    receivers: { otlp: { protocols: { http: { endpoint: string; tls: object } } } }
  }
  const { http } = receivers.otlp.protocols
  expect({ host: endpoint.hostname, port: endpoint.port, tls: endpoint.protocol === 'https:' }).toEqual({
    host: 'collector',
    port: http.endpoint.split(':')[1],
    tls: http.tls !== undefined,
  })
  const uid = infrastructure.find(({ name }) => name === 'collector')?.uid
  expect(service('collector-svid').user).toBe(`${uid}:${uid}`)
})

describe('identities', () => {
  const labels = registrationEntries('compose', 'bitka.local').map(({ selectors }) => selectors[0]?.value)

  it('are there for every container that asks the agent, and for nobody else', () => {
    const asking = Object.values(services).filter(({ volumes: mounts = [] }) =>
      mounts.some(({ source, read_only }) => source === 'spire-agent-socket' && read_only),
    )
    const asked = asking.map(({ labels: own }) => `label:${WORKLOAD_LABEL}:${own?.[WORKLOAD_LABEL]}`)
    expect(asked.sort()).toEqual([...labels].sort())
  })

  it('come from the socket that the agent makes', () => {
    const agent = readFileSync(join(repository, 'deploy/spire/compose/agent.conf'), 'utf8')
    const socket = /^\s*socket_path = "(.+)"$/m.exec(agent)?.[1] ?? ''
    expect(service('order').environment?.['SPIFFE_ENDPOINT_SOCKET']).toBe(`unix:${socket}`)
    expect(readFileSync(join(repository, 'deploy/envoy/rendered/compose.yaml'), 'utf8')).toContain(`path: ${socket}\n`)
    for (const name of ['order', 'envoy', 'kafka-svid', 'spire-agent']) {
      const mount = service(name).volumes?.find(({ source }) => source === 'spire-agent-socket')
      expect(mount?.target).toBe(dirname(socket))
    }
  })

  it('are written to where PostgreSQL and Kafka read them, by their own account', () => {
    for (const name of ['postgres', 'kafka']) {
      const [writer, reader] = [service(`${name}-svid`), service(name)]
      expect(writer.user).toBe(reader.user)
      expect(volumes[`${name}-svid`]?.driver_opts?.o).toContain(`uid=${reader.user.split(':')[0]},`)
      expect(reader.volumes?.find(({ source }) => source === `${name}-svid`)?.target).toBe('/run/svid')
      expect(writer.labels?.[WORKLOAD_LABEL]).toBe(name)
    }
    expect(service('kafka').user.split(':')[0]).toBe(String(infrastructure.find(({ name }) => name === 'kafka')?.uid))
  })
})

describe('secrets', () => {
  const spire = ['spire-node', 'spire-node-ca', 'spire-node-key', 'spire-root', 'spire-root-key']

  it('are the files that init makes, or asks for', () => {
    expect(Object.keys(secrets).sort()).toEqual([...names(secretFiles()), ...spire].sort())
  })

  it('go to the account that can read them', () => {
    const owners = new Map(secretFiles().map(({ name, uid, gid }) => [name, [uid, gid]]))
    for (const [name, { user, secrets: own = [] }] of Object.entries(services)) {
      const uid = Number(user.split(':')[0])
      for (const { source } of own) {
        const readers = owners.get(source) ?? [accounts.spire]
        expect({ name, source, readable: readers.includes(uid) }).toEqual({ name, source, readable: true })
      }
    }
  })

  it('are each used', () => {
    const used = new Set(Object.values(services).flatMap(({ secrets: own = [] }) => own.map(({ source }) => source)))
    expect(Object.keys(secrets).filter((name) => !used.has(name))).toEqual([])
  })
})

it('mounts only files that are in the repository', () => {
  const mounted = Object.values(services).flatMap(({ volumes: mounts = [] }) => mounts.map(({ source }) => source))
  const ours = mounted.filter((source) => source.startsWith(`${repository}/`))
  expect(ours.length).toBeGreaterThan(5)
  expect([...new Set(ours)].filter((source) => !existsSync(source))).toEqual([])
})

it('asks each of our programs how it is with the program that its image has', () => {
  for (const { healthcheck, build, environment = {} } of Object.values(services)) {
    if (build?.target !== 'program' || healthcheck === undefined) continue
    expect(healthcheck.test).toEqual(['CMD', '/nodejs/bin/node', '/app/dist/health.mjs'])
    expect(environment['BITKA_METRICS_PORT']).toMatch(/^\d+$/)
  }
})
