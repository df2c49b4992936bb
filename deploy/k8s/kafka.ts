import { spiffeId } from '@bitka/mesh'
import { identityProperties, logProperties } from '../kafka/server-properties.ts'
import { serviceTable } from '../table/index.ts'
import { kafkaPorts } from './network.ts'
import { commonLabels, kafkaCluster, PHASE_LABEL, trustDomain, WORKLOAD_LABEL } from './platform.ts'
import type { Json, JsonObject } from './pods.ts'

const CLUSTER_LABEL = 'strimzi.io/cluster'
/** Strimzi mounts what a template adds below /mnt only. */
const SVIDS = '/mnt/svid'
const AGENT = '/mnt/spiffe'

const meta = (name: string, more: Record<string, string> = {}): JsonObject => ({
  name,
  labels: { ...commonLabels('kafka'), [PHASE_LABEL]: 'prepare', ...more },
})

/** The account that Strimzi's image is made for; its files belong to the group 0. */
const UID = 1001

/** What of our settings belongs to the listener of the mesh; Strimzi's own listeners keep Strimzi's certificates. */
function splitIdentity(): { listener: Record<string, string>; broker: Record<string, string> } {
  const all = Object.entries(
    identityProperties({ trustDomain, svidFiles: [`${SVIDS}/keystore.pem`], bundleFile: `${SVIDS}/bundle.pem` }),
  )
  // Kafka hands keys that it does not know on to plug-ins only without a listener's prefix.
  const isBrokers = ([key]: [string, string]): boolean => key.startsWith('spiffe.')
  return {
    broker: Object.fromEntries(all.filter(isBrokers)),
    listener: Object.fromEntries(all.filter((entry) => !isBrokers(entry))),
  }
}

/** Who may connect at all, as Strimzi's own network policy has it: without a list it would let everybody. */
const peers = (): Json[] =>
  [...serviceTable.filter(({ database }) => database).map(({ name }) => name), 'kafka-admin'].map((name) => ({
    podSelector: { matchLabels: { [WORKLOAD_LABEL]: name } },
  }))

/** The Kafka resource. */
export function kafkaManifest() {
  const { listener, broker } = splitIdentity()
  return {
    apiVersion: 'kafka.strimzi.io/v1',
    kind: 'Kafka',
    metadata: meta(kafkaCluster),
    spec: {
      kafka: {
        version: '4.2.0',
        image: 'bitka/kafka-strimzi',
        listeners: [
          {
            name: 'mesh',
            port: kafkaPorts.mesh,
            type: 'internal',
            tls: true,
            authentication: { type: 'custom', sasl: false, listenerConfig: listener },
            networkPolicyPeers: peers(),
          },
        ],
        // Rules are set by kafka-admin from the table of topics; there are no KafkaUsers, whose principals are other ones.
        authorization: {
          type: 'simple',
          superUsers: [spiffeId(trustDomain, 'kafka'), spiffeId(trustDomain, 'kafka-admin')],
        },
        config: {
          ...logProperties,
          ...broker,
          'allow.everyone.if.no.acl.found': 'false',
          'default.replication.factor': 3,
          'min.insync.replicas': 2,
          'offsets.topic.replication.factor': 3,
          'transaction.state.log.replication.factor': 3,
          'transaction.state.log.min.isr': 2,
          'share.coordinator.state.topic.replication.factor': 3,
          'share.coordinator.state.topic.min.isr': 2,
        },
        metricsConfig: {
          type: 'strimziMetricsReporter',
          values: {
            allowList: [
              'kafka_server_.*',
              'kafka_controller_.*',
              'kafka_network_requestmetrics_.*',
              'kafka_log_log_size',
              'kafka_log_log_logendoffset',
            ],
          },
        },
      },
    },
  }
}

/** Three machines, each broker and controller: an acknowledged record is on two of them. */
function nodes(): JsonObject {
  return {
    apiVersion: 'kafka.strimzi.io/v1',
    kind: 'KafkaNodePool',
    metadata: meta('node', { [CLUSTER_LABEL]: kafkaCluster }),
    spec: {
      replicas: 3,
      roles: ['controller', 'broker'],
      storage: {
        type: 'jbod',
        volumes: [{ id: 0, type: 'persistent-claim', size: '100Gi', kraftMetadata: 'shared', deleteClaim: false }],
      },
      resources: { requests: { cpu: '500m', memory: '2Gi' }, limits: { cpu: '4', memory: '4Gi' } },
      jvmOptions: { '-Xms': '1g', '-Xmx': '1g' },
      template: {
        pod: {
          metadata: { labels: { [WORKLOAD_LABEL]: 'kafka' } },
          securityContext: {
            runAsNonRoot: true,
            runAsUser: UID,
            runAsGroup: 0,
            fsGroup: UID,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          enableServiceLinks: false,
          terminationGracePeriodSeconds: 120,
          affinity: {
            podAntiAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: [
                {
                  labelSelector: { matchLabels: { [CLUSTER_LABEL]: kafkaCluster } },
                  topologyKey: 'kubernetes.io/hostname',
                },
              ],
            },
          },
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: 'topology.kubernetes.io/zone',
              whenUnsatisfiable: 'ScheduleAnyway',
              labelSelector: { matchLabels: { [CLUSTER_LABEL]: kafkaCluster } },
            },
          ],
          volumes: [
            { name: 'spiffe', csi: { driver: 'csi.spiffe.io', readOnly: true } },
            { name: 'svid', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
          ],
        },
        kafkaContainer: {
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          // Read by kafka_run.sh of our image, which keeps the certificate files fresh beside the broker.
          env: [
            { name: 'SPIFFE_ENDPOINT_SOCKET', value: `unix:${AGENT}/api.sock` },
            { name: 'BITKA_TRUST_DOMAIN', value: trustDomain },
            { name: 'BITKA_SVID_DIR', value: SVIDS },
          ],
          volumeMounts: [
            { name: 'spiffe', mountPath: AGENT, readOnly: true },
            { name: 'svid', mountPath: SVIDS },
          ],
        },
      },
    },
  }
}

/** Kafka as Strimzi takes it. */
export const kafkaManifests = (): JsonObject[] => [kafkaManifest(), nodes()]
