import { join } from 'node:path'
import { type BackendName, environments, type Ports, readConfig, type Secrets, services } from '@bitka/embedded'
import { tlsParameters } from '@bitka/embedded-pg'
import { appRole, ownerRole } from '@bitka/store'
import { bundleFile, socketFile } from '../identity/workloads.ts'
import { type ServiceRow, serviceTable } from '../table/index.ts'

/** A second replica of a service listens this much above the first. */
export const REPLICA_STEP = 5

export const kafkaBrokers = 'localhost:9093'
export const trustDomain = 'bitka.local'

export type EnvironmentInput = {
  home: string
  /** URL of a database role. */
  urlOf(role: string): string
  secrets: Secrets
  mailUrl: string
  /** The roots of the mail provider's certificate. */
  mailCaFile: string
  operator: { email: string; password: string }
  /** 0 turns the gateway's limits off. */
  rateLimitScale: number
  logLevel: string
  /** Where spans go, and of how many requests; as the services read them. */
  tracing?: { endpoint?: string; ratio?: string }
}

export type Env = Record<string, string | undefined>

/** The environment of every service, first replica: what the embedded exchange says, with the full stack's log and TLS. */
export function stackEnvironments(input: EnvironmentInput): Map<string, Env> {
  const { home, urlOf, secrets, operator } = input
  const identityDir = join(home, 'identity')
  const config = readConfig({
    BITKA_DATA_DIR: home,
    BITKA_OPERATOR_EMAIL: operator.email,
    BITKA_OPERATOR_PASSWORD: operator.password,
    BITKA_RATE_LIMIT_SCALE: String(input.rateLimitScale),
    BITKA_LOG_LEVEL: input.logLevel,
    BITKA_OTLP_ENDPOINT: input.tracing?.endpoint,
    BITKA_TRACE_RATIO: input.tracing?.ratio,
  })
  // The services cannot read PostgreSQL's own files; the roots are there for everybody.
  const parameters = tlsParameters({ caFile: bundleFile(identityDir) })
  const withTls = (url: string): string => url.replace(/(\?.*)?$/, `?${parameters}`)
  const surroundings = {
    ca: { trustDomain, socketPath: (name: string) => socketFile(identityDir, name) },
    mail: { url: input.mailUrl },
    appUrl: (service: BackendName) => withTls(urlOf(appRole(service))),
    ownerUrl: (service: BackendName) => withTls(urlOf(ownerRole(service))),
  }
  const ports = Object.fromEntries(services.map((name) => [name, rowOf(name).port])) as Ports
  const embedded = environments(config, surroundings, secrets, ports, operator.password)
  return new Map(
    serviceTable.map(({ name, metricsPort, port }): [string, Env] => {
      const env: Env = { ...embedded[name], BITKA_PEERS: peers(), BITKA_METRICS_PORT: String(metricsPort) }
      if (name === 'gateway') return [name, { ...env, ...gatewayOf(port) }]
      const log = { BITKA_EVENT_LOG: 'kafka', BITKA_KAFKA_BROKERS: kafkaBrokers, KAFKAJS_NO_PARTITIONER_WARNING: '1' }
      const mail = name === 'notification' ? { NODE_EXTRA_CA_CERTS: input.mailCaFile } : {}
      return [name, { ...env, ...log, ...mail, BITKA_RPC_HOST: '127.0.0.1' }]
    }),
  )
}

/** The second replica of a service: the same, on other ports. */
export function replicaOf(row: ServiceRow, env: Env): Env {
  const metrics = { BITKA_METRICS_PORT: String(row.metricsPort + REPLICA_STEP) }
  if (row.name === 'gateway') return { ...env, ...metrics, ...gatewayOf(row.port + REPLICA_STEP) }
  return { ...env, ...metrics, BITKA_RPC_PORT: String(row.port + REPLICA_STEP) }
}

/** Envoy speaks to it with its identity, over TLS, and to nobody else does it matter. */
const gatewayOf = (port: number): Env => ({
  BITKA_HTTP_HOST: '127.0.0.1',
  BITKA_HTTP_PORT: String(port),
  BITKA_GRPC_PORT: String(port + 1),
  BITKA_TLS_IDENTITY: 'yes',
  // Envoy looks every second.
  BITKA_LAME_DUCK_MS: '3000',
})

/** Where every service is, with the place of a second replica, which is there only while a service is replaced. */
const peers = (): string =>
  serviceTable
    .filter(({ name }) => name !== 'gateway')
    .map(({ name, port }) => `${name}=127.0.0.1:${port}|127.0.0.1:${port + REPLICA_STEP}`)
    .join(',')

export function rowOf(name: string): ServiceRow {
  const row = serviceTable.find((candidate) => candidate.name === name)
  if (!row) throw new Error(`there is no service ${name}`)
  return row
}
