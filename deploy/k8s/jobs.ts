import { infrastructure } from '../table/index.ts'
import { commonLabels, kafkaBrokers, PHASE_LABEL, WORKLOAD_LABEL } from './platform.ts'
import {
  containerSecurity,
  databaseCaMount,
  databaseCaVolume,
  type Json,
  type JsonObject,
  podSecurity,
  secretVolume,
  spiffeEnv,
  spiffeMount,
  spiffeVolume,
} from './pods.ts'
import { secretTable } from './secrets.ts'

/** The account of the migrations; no row of the table, since they have no identity in the mesh. */
const MIGRATE_UID = 47_930
const uidOf = (name: string): number => infrastructure.find((row) => row.name === name)?.uid ?? 0

const databaseKeys = Object.keys(secretTable.find(({ name }) => name === 'db-urls')?.keys ?? {})

type Step = { name: string; uid: number; env: readonly Json[]; mounts: Json[]; volumes: Json[] }

/** A program that must have ended well before anything else of a release is changed. */
function job({ name, uid, env, mounts, volumes }: Step): JsonObject[] {
  const metadata = { name, labels: { ...commonLabels(name), [PHASE_LABEL]: 'prepare' } }
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata, automountServiceAccountToken: false },
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata,
      spec: {
        backoffLimit: 6,
        activeDeadlineSeconds: 900,
        ttlSecondsAfterFinished: 604_800,
        template: {
          metadata: { labels: { ...commonLabels(name), [WORKLOAD_LABEL]: name } },
          spec: {
            serviceAccountName: name,
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            restartPolicy: 'OnFailure',
            dnsConfig: { options: [{ name: 'ndots', value: '2' }] },
            securityContext: podSecurity(uid),
            containers: [
              {
                name,
                image: `bitka/${name}`,
                env: [...env],
                resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '1', memory: '512Mi' } },
                securityContext: containerSecurity,
                volumeMounts: mounts,
              },
            ],
            volumes,
          },
        },
      },
    },
  ]
}

/** What runs at each deployment, before the services: the database's schemas, and Kafka's topics and access rules. */
export const jobManifests = (): JsonObject[] => [
  ...job({
    name: 'migrate',
    uid: MIGRATE_UID,
    env: [
      { name: 'BITKA_DB_URLS', value: '/run/secrets/db-urls' },
      { name: 'BITKA_DB_ADMIN_URL_FILE', value: '/run/secrets/db-admin/url' },
    ],
    mounts: [
      { name: 'db-urls', mountPath: '/run/secrets/db-urls', readOnly: true },
      { name: 'db-admin', mountPath: '/run/secrets/db-admin', readOnly: true },
      databaseCaMount,
    ],
    volumes: [
      secretVolume('db-urls', 'db-urls', databaseKeys),
      secretVolume('db-admin', 'db-admin', ['url']),
      databaseCaVolume,
    ],
  }),
  ...job({
    name: 'kafka-admin',
    uid: uidOf('kafka-admin'),
    env: [
      ...spiffeEnv,
      { name: 'BITKA_KAFKA_BROKERS', value: kafkaBrokers },
      { name: 'BITKA_KAFKA_REPLICATION', value: '3' },
      { name: 'BITKA_LOG_LEVEL', value: 'info' },
      { name: 'KAFKAJS_NO_PARTITIONER_WARNING', value: '1' },
    ],
    mounts: [spiffeMount],
    volumes: [spiffeVolume],
  }),
]
