import { type ServiceName, serviceNames } from '@bitka/mesh'

/** A program of ours as every way of deploying it needs to know it. */
export type ServiceRow = {
  name: ServiceName
  /** gRPC over mTLS; for the gateway the port that Envoy speaks to. */
  port: number
  /** Prometheus; never on the edge network. */
  metricsPort: number
  /** The account that the process has on a native stack, where we are root. */
  uid: number
  /** Has a schema of its own, with the roles <schema>_owner and <schema>_app. */
  database: boolean
  /** Whom it calls over the mesh. A test compares this with every service's caller policy and source. */
  calls: readonly ServiceName[]
  /** matching owns partitions by its ordinal; all others may have any number of replicas. */
  replicas: 'stateless' | 'ordinal'
}

/** Every service reads the keys and the revoked sessions of auth. */
const common = ['auth'] as const

const row = (
  name: ServiceName,
  index: number,
  calls: readonly ServiceName[],
  rest: Partial<Pick<ServiceRow, 'database' | 'replicas'>> = {},
): ServiceRow => ({
  name,
  port: 7000 + index * 10,
  metricsPort: 9000 + index * 10,
  uid: 47_000 + index * 10,
  database: true,
  replicas: 'stateless',
  calls,
  ...rest,
})

const backends = serviceNames.filter((name) => name !== 'gateway')

/** The one table of services: identities, ports, network policies, accounts and manifests are made from it. */
export const serviceTable: readonly ServiceRow[] = [
  row('gateway', 0, backends, { database: false }),
  row('auth', 1, []),
  row('user', 2, common),
  row('ledger', 3, common),
  row('order', 4, [...common, 'ledger']),
  row('matching', 5, common, { replicas: 'ordinal' }),
  row('market-data', 6, common),
  row('notification', 7, [...common, 'user']),
  row('audit', 8, common),
]

export type InfrastructureRow = {
  name: 'envoy' | 'kafka' | 'kafka-admin' | 'postgres' | 'internal-caller' | 'collector'
  uid: number
  /** Host names in its certificate, for clients that check those. */
  dnsNames: readonly string[]
}

/** Workloads that are not services of ours and have an identity in the mesh. */
export const infrastructure: readonly InfrastructureRow[] = [
  { name: 'envoy', uid: 47_900, dnsNames: [] },
  { name: 'kafka', uid: 47_910, dnsNames: ['localhost'] },
  // Makes topics and ACLs: a super user of the broker.
  { name: 'kafka-admin', uid: 47_911, dnsNames: [] },
  // An example of a program outside the deployment: docs/internal-callers.md.
  { name: 'internal-caller', uid: 47_920, dnsNames: [] },
  // Takes spans from everybody: deploy/observability.
  { name: 'collector', uid: 47_940, dnsNames: [] },
  { name: 'postgres', uid: 65_534, dnsNames: ['localhost'] },
]

/** The namespace in SPIFFE IDs and in Kubernetes. */
export const namespace = 'bitka'
