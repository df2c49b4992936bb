import { edgePorts } from '../envoy/render.ts'
import { type ServiceRow, serviceTable } from '../table/index.ts'
import {
  collectorPort,
  commonLabels,
  kafkaCluster,
  monitoringNamespace,
  PHASE_LABEL,
  postgresCluster,
  WORKLOAD_LABEL,
} from './platform.ts'
import type { Json, JsonObject } from './pods.ts'
import { gatewayGrpcPort } from './services.ts'

const pods = (name: string): JsonObject => ({ podSelector: { matchLabels: { [WORKLOAD_LABEL]: name } } })
const postgresPods: JsonObject = { podSelector: { matchLabels: { 'cnpg.io/cluster': postgresCluster } } }
const kafkaPods: JsonObject = { podSelector: { matchLabels: { 'strimzi.io/cluster': kafkaCluster } } }
const outside = (namespace: string, labels: Record<string, string>): JsonObject => ({
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
  podSelector: { matchLabels: labels },
})
const prometheus = outside(monitoringNamespace, { 'app.kubernetes.io/name': 'prometheus' })
const collector = outside(monitoringNamespace, { [WORKLOAD_LABEL]: 'collector' })
const strimziOperator = outside('strimzi', { 'strimzi.io/kind': 'cluster-operator' })
const cnpgOperator = outside('cnpg-system', { 'app.kubernetes.io/name': 'cloudnative-pg' })

const tcp = (...ports: number[]): Json[] => ports.map((port) => ({ protocol: 'TCP', port }))

export const kafkaPorts = { mesh: 9093, controlPlane: 9090, replication: 9091, agent: 8443, metrics: 9404 } as const
export const postgresPorts = { sql: 5432, status: 8000, metrics: 9187 } as const

/** The internet without the networks that a cluster, a company or a cloud's metadata server has. */
const internet: JsonObject = {
  ipBlock: {
    cidr: '0.0.0.0/0',
    except: ['10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'],
  },
}
/** Everybody: the public door. */
const anyone: Json[] = [{ ipBlock: { cidr: '0.0.0.0/0' } }, { ipBlock: { cidr: '::/0' } }]
/** Nobody, until an overlay says where it is (site.yaml): an address for documentation, RFC 5737. */
const unknown: JsonObject = { ipBlock: { cidr: '192.0.2.1/32' } }

type Rules = { ingress?: Json[]; egress?: Json[] }

const policy = (name: string, podSelector: JsonObject, { ingress, egress }: Rules): JsonObject => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name, labels: { ...commonLabels(name), [PHASE_LABEL]: 'prepare' } },
  spec: {
    podSelector,
    policyTypes: [...(ingress ? ['Ingress'] : []), ...(egress ? ['Egress'] : [])],
    ...(ingress && { ingress }),
    ...(egress && { egress }),
  },
})

const own = (name: string): JsonObject => ({ matchLabels: { [WORKLOAD_LABEL]: name } })
const portsOf = (row: ServiceRow): number[] => (row.name === 'gateway' ? [row.port, gatewayGrpcPort(row)] : [row.port])

function servicePolicy(row: ServiceRow): JsonObject {
  const { name, calls, database, metricsPort } = row
  const callers =
    name === 'gateway' ? ['envoy'] : serviceTable.filter((one) => one.calls.includes(name)).map((one) => one.name)
  const callees = serviceTable.filter((one) => calls.includes(one.name))
  return policy(name, own(name), {
    ingress: [
      ...(callers.length > 0 ? [{ from: callers.map(pods), ports: tcp(...portsOf(row)) }] : []),
      { from: [prometheus], ports: tcp(metricsPort) },
    ],
    egress: [
      ...callees.map((one) => ({ to: [pods(one.name)], ports: tcp(...portsOf(one)) })),
      ...(database
        ? [
            { to: [postgresPods], ports: tcp(postgresPorts.sql) },
            { to: [kafkaPods], ports: tcp(kafkaPorts.mesh) },
          ]
        : []),
      { to: [collector], ports: tcp(collectorPort) },
      // Mailgun has many addresses; a policy knows no names.
      ...(name === 'notification' ? [{ to: [internet], ports: tcp(443) }] : []),
    ],
  })
}

/** Nothing is allowed but what a policy below allows. */
const everyPod: JsonObject[] = [
  policy('default-deny', {}, { ingress: [], egress: [] }),
  policy(
    'dns',
    {},
    {
      egress: [
        {
          to: [outside('kube-system', { 'k8s-app': 'kube-dns' })],
          ports: [
            { protocol: 'UDP', port: 53 },
            { protocol: 'TCP', port: 53 },
          ],
        },
      ],
    },
  ),
]

function platformPolicies(): JsonObject[] {
  const gateway = serviceTable.filter(({ name }) => name === 'gateway')
  const withDatabase = serviceTable.filter(({ database }) => database).map(({ name }) => pods(name))
  const kafkaSelector = { matchLabels: { 'strimzi.io/cluster': kafkaCluster } }
  const postgresSelector = { matchLabels: { 'cnpg.io/cluster': postgresCluster } }
  return [
    policy('envoy', own('envoy'), {
      ingress: [
        { from: anyone, ports: tcp(edgePorts.public, edgePorts.plain) },
        { from: [prometheus], ports: tcp(edgePorts.metrics) },
      ],
      egress: gateway.map((row) => ({ to: [pods(row.name)], ports: tcp(...portsOf(row)) })),
    }),
    policy('migrate', own('migrate'), {
      ingress: [],
      egress: [{ to: [postgresPods], ports: tcp(postgresPorts.sql) }],
    }),
    policy('kafka-admin', own('kafka-admin'), {
      ingress: [],
      egress: [{ to: [kafkaPods], ports: tcp(kafkaPorts.mesh) }],
    }),
    policy('kafka', kafkaSelector, {
      ingress: [
        { from: [...withDatabase, pods('kafka-admin')], ports: tcp(kafkaPorts.mesh) },
        { from: [kafkaPods], ports: tcp(kafkaPorts.controlPlane, kafkaPorts.replication) },
        { from: [strimziOperator], ports: tcp(kafkaPorts.controlPlane, kafkaPorts.replication, kafkaPorts.agent) },
        { from: [prometheus], ports: tcp(kafkaPorts.metrics) },
      ],
      egress: [{ to: [kafkaPods], ports: tcp(kafkaPorts.controlPlane, kafkaPorts.replication) }],
    }),
    policy('postgres', postgresSelector, {
      ingress: [
        { from: [...withDatabase, pods('migrate'), postgresPods], ports: tcp(postgresPorts.sql) },
        { from: [postgresPods, cnpgOperator], ports: tcp(postgresPorts.status) },
        { from: [prometheus], ports: tcp(postgresPorts.metrics) },
      ],
      egress: [
        { to: [postgresPods], ports: tcp(postgresPorts.sql, postgresPorts.status) },
        // In this order: each overlay fills in the addresses of the API server and of the object store.
        { to: [unknown], ports: tcp(443, 6443) },
        { to: [unknown], ports: tcp(443) },
      ],
    }),
  ]
}

/** Every network policy of the namespace, made from the service table. */
export const networkPolicies = (): JsonObject[] => [
  ...everyPod,
  ...serviceTable.map(servicePolicy),
  ...platformPolicies(),
]
