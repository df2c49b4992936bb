import type { ServiceName } from '@bitka/mesh'
import { type ServiceRow, serviceTable } from '../table/index.ts'
import { collectorUrl, commonLabels, hostOf, kafkaBrokers, PHASE_LABEL, WORKLOAD_LABEL } from './platform.ts'
import {
  containerSecurity,
  databaseCaMount,
  databaseCaVolume,
  type Json,
  type JsonObject,
  podSecurity,
  probes,
  spiffeEnv,
  spiffeMount,
  spiffeVolume,
  spread,
} from './pods.ts'
import { sizes } from './sizing.ts'

/** The port for gRPC proper of the gateway, beside that for everything else. */
export const gatewayGrpcPort = (row: ServiceRow): number => row.port + 1

const SECRETS = '/run/secrets/bitka'
const value = (name: string, text: string | number): JsonObject => ({ name, value: String(text) })
const fromFile = (name: string, key: string): JsonObject => value(`${name}_FILE`, `${SECRETS}/${key}`)
/** A key of the ConfigMap `site`, which the overlay's site.yaml is. */
const fromSite = (name: string, key: string): JsonObject => ({
  name,
  valueFrom: { configMapKeyRef: { name: 'site', key } },
})

/** What only one service has: settings, the Secret it reads, and whether it takes the first assets and markets. */
type Own = { env: readonly JsonObject[]; secret?: { name: string; keys: readonly string[] }; seed?: boolean }

const none: Own = { env: [] }
const seeded: Own = { env: [value('BITKA_SEED_FILE', '/etc/bitka/seed/seed.json')], seed: true }
const own: Partial<Record<ServiceName, Own>> = {
  auth: {
    env: [
      fromFile('BITKA_AUTH_KEK', 'kek'),
      fromSite('BITKA_OPERATOR_EMAIL', 'operatorEmail'),
      fromFile('BITKA_OPERATOR_PASSWORD', 'operator-password'),
      fromSite('BITKA_OPERATOR2_EMAIL', 'operator2Email'),
      fromFile('BITKA_OPERATOR2_PASSWORD', 'operator2-password'),
    ],
    secret: { name: 'auth', keys: ['kek', 'operator-password', 'operator2-password'] },
  },
  ledger: seeded,
  order: seeded,
  notification: {
    env: [
      fromSite('BITKA_MAILGUN_URL', 'mailgunUrl'),
      fromSite('BITKA_MAILGUN_DOMAIN', 'mailDomain'),
      fromSite('BITKA_MAIL_FROM', 'mailFrom'),
      fromFile('BITKA_MAILGUN_API_KEY', 'api-key'),
      fromFile('BITKA_MAILGUN_SIGNING_KEY', 'signing-key'),
    ],
    secret: { name: 'mailgun', keys: ['api-key', 'signing-key'] },
  },
}

function environment(row: ServiceRow): Json[] {
  const { name, port, metricsPort, calls, database } = row
  const peers = calls.map((peer) => {
    const target = serviceTable.find((candidate) => candidate.name === peer)
    return `${peer}=dns:///${hostOf(peer)}:${target?.port}`
  })
  return [
    fromSite('BITKA_PROFILE', 'profile'),
    fromSite('BITKA_LOG_LEVEL', 'logLevel'),
    ...spiffeEnv,
    value('BITKA_METRICS_HOST', '0.0.0.0'),
    value('BITKA_METRICS_PORT', metricsPort),
    value('BITKA_OTLP_ENDPOINT', collectorUrl),
    fromSite('BITKA_TRACE_RATIO', 'traceRatio'),
    ...(peers.length > 0 ? [value('BITKA_PEERS', peers.join(','))] : []),
    ...(database
      ? [
          value('BITKA_RPC_HOST', '0.0.0.0'),
          value('BITKA_RPC_PORT', port),
          fromFile('BITKA_DB_URL', `${name}-app-url`),
          value('BITKA_DB_POOL_SIZE', sizes[name].pool),
          value('BITKA_EVENT_LOG', 'kafka'),
          value('BITKA_KAFKA_BROKERS', kafkaBrokers),
          value('KAFKAJS_NO_PARTITIONER_WARNING', 1),
        ]
      : [
          value('BITKA_HTTP_HOST', '0.0.0.0'),
          value('BITKA_HTTP_PORT', port),
          value('BITKA_GRPC_PORT', gatewayGrpcPort(row)),
          value('BITKA_TLS_IDENTITY', 'yes'),
          // Envoy looks every second; the name's addresses change a little later.
          value('BITKA_LAME_DUCK_MS', 8_000),
        ]),
    ...(own[name] ?? none).env,
  ]
}

function volumes(row: ServiceRow): { volumes: Json[]; mounts: Json[] } {
  const { secret, seed } = own[row.name] ?? none
  const sources: Json[] = [
    ...(row.database ? [{ secret: { name: 'db-urls', items: [keyAsFile(`${row.name}-app-url`)] } }] : []),
    ...(secret ? [{ secret: { name: secret.name, items: secret.keys.map(keyAsFile) } }] : []),
  ]
  return {
    volumes: [
      spiffeVolume,
      ...(sources.length > 0 ? [{ name: 'secrets', projected: { defaultMode: 0o440, sources } }] : []),
      ...(row.database ? [databaseCaVolume] : []),
      ...(seed ? [{ name: 'seed', configMap: { name: 'seed' } }] : []),
    ],
    mounts: [
      spiffeMount,
      ...(sources.length > 0 ? [{ name: 'secrets', mountPath: SECRETS, readOnly: true }] : []),
      ...(row.database ? [databaseCaMount] : []),
      ...(seed ? [{ name: 'seed', mountPath: '/etc/bitka/seed', readOnly: true }] : []),
    ],
  }
}

const keyAsFile = (key: string): JsonObject => ({ key, path: key })

const ports = (row: ServiceRow): { name: string; port: number }[] =>
  row.name === 'gateway'
    ? [
        { name: 'https', port: row.port },
        { name: 'grpc', port: gatewayGrpcPort(row) },
      ]
    : [{ name: 'grpc', port: row.port }]

function podTemplate(row: ServiceRow): JsonObject {
  const { name, uid, metricsPort } = row
  const { cpu, memory, memoryMax } = sizes[name]
  const { volumes: podVolumes, mounts } = volumes(row)
  return {
    metadata: { labels: { ...commonLabels(name), [WORKLOAD_LABEL]: name } },
    spec: {
      serviceAccountName: name,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      // Calls in flight have 10 s, the gateway's lame duck 8 s before that.
      terminationGracePeriodSeconds: 40,
      dnsConfig: { options: [{ name: 'ndots', value: '2' }] },
      securityContext: podSecurity(uid),
      topologySpreadConstraints: spread(name),
      containers: [
        {
          name,
          image: `bitka/${name}`,
          ports: [
            ...ports(row).map((one) => ({ name: one.name, containerPort: one.port })),
            { name: 'metrics', containerPort: metricsPort },
          ],
          env: environment(row),
          resources: {
            requests: { cpu: `${cpu}m`, memory: `${memory}Mi` },
            limits: { cpu: '2', memory: `${memoryMax}Mi` },
          },
          securityContext: containerSecurity,
          ...probes('metrics'),
          volumeMounts: mounts,
        },
      ],
      volumes: podVolumes,
    },
  }
}

const labelled = (kind: string, apiVersion: string, name: string, spec: JsonObject): JsonObject => ({
  apiVersion,
  kind,
  metadata: { name, labels: { ...commonLabels(name), [PHASE_LABEL]: 'run' } },
  spec,
})

function workload(row: ServiceRow): JsonObject {
  const { name, replicas } = row
  const selector = { matchLabels: { [WORKLOAD_LABEL]: name } }
  if (replicas === 'ordinal') {
    return labelled('StatefulSet', 'apps/v1', name, {
      // Partitions are claimed through the log: each process takes its share of the group and fences the owner before it.
      serviceName: name,
      replicas: sizes[name].replicas.min,
      podManagementPolicy: 'Parallel',
      minReadySeconds: 5,
      revisionHistoryLimit: 5,
      updateStrategy: { type: 'RollingUpdate' },
      selector,
      template: podTemplate(row),
    })
  }
  return labelled('Deployment', 'apps/v1', name, {
    // How many: the HorizontalPodAutoscaler says.
    minReadySeconds: 5,
    progressDeadlineSeconds: 300,
    revisionHistoryLimit: 5,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    selector,
    template: podTemplate(row),
  })
}

const autoscaler = ({ name }: ServiceRow): JsonObject =>
  labelled('HorizontalPodAutoscaler', 'autoscaling/v2', name, {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
    minReplicas: sizes[name].replicas.min,
    maxReplicas: sizes[name].replicas.max,
    metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } }],
    behavior: {
      scaleDown: { stabilizationWindowSeconds: 600, policies: [{ type: 'Pods', value: 1, periodSeconds: 120 }] },
    },
  })

/** All that one row of the service table is in the cluster, but for its network policy. */
export function serviceManifests(row: ServiceRow): JsonObject[] {
  const { name } = row
  const meta = { name, labels: { ...commonLabels(name), [PHASE_LABEL]: 'run' } }
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta, automountServiceAccountToken: false },
    labelled('Service', 'v1', name, {
      // Callers know every pod and choose among them.
      clusterIP: 'None',
      selector: { [WORKLOAD_LABEL]: name },
      ports: ports(row).map((one) => ({ name: one.name, port: one.port, targetPort: one.name })),
    }),
    workload(row),
    labelled('PodDisruptionBudget', 'policy/v1', name, {
      maxUnavailable: 1,
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
      selector: { matchLabels: { [WORKLOAD_LABEL]: name } },
    }),
    ...(row.replicas === 'stateless' ? [autoscaler(row)] : []),
  ]
}
