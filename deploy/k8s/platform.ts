import { serviceTable } from '../table/index.ts'

/** The trust domain of the mesh in the cluster; the same as in every configuration that deploy/ renders. */
export const trustDomain = 'bitka.local'

/** The label of pods that says which row of the table they are: SPIRE gives identities by it, policies let traffic by it. */
export { WORKLOAD_LABEL } from '../spire/entries.ts'

/** The label that orders a rollout: what has `prepare` runs to its end before anything else is changed. */
export const PHASE_LABEL = 'bitka.phase'

/** Where the SPIFFE CSI driver puts the agent's socket. SPIRE's agent names the file (deploy/spire/k8s/agent.conf). */
export const workloadApi = { folder: '/spiffe-workload-api', socket: '/spiffe-workload-api/api.sock' } as const

/** Strimzi's name of the cluster: its service account, services and pods begin with it. */
export const kafkaCluster = 'bitka'
export const kafkaBrokers = `${kafkaCluster}-kafka-bootstrap.bitka.svc.cluster.local:9093`

/** CloudNativePG's name of the cluster; `-rw` is the primary. */
export const postgresCluster = 'postgres'
const postgresHost = `${postgresCluster}-rw.bitka.svc.cluster.local`
/** A URL of the database, for a role and its password as they are written in one. */
export const databaseUrl = (role: string): string =>
  `postgresql://${role}:PASSWORD@${postgresHost}:5432/bitka?sslmode=verify-full&sslrootcert=/run/db-ca/ca.crt`

/** Where Prometheus, Loki and the collector run. */
export const monitoringNamespace = 'monitoring'
/** OTLP over HTTP. */
export const collectorPort = 4318
export const collectorUrl = `https://collector.${monitoringNamespace}.svc.cluster.local:${collectorPort}`

/** Labels that every object of ours has. */
export const commonLabels = (name: string): Record<string, string> => ({
  'app.kubernetes.io/name': name,
  'app.kubernetes.io/part-of': 'bitka',
})

/** The name of a service inside the cluster. */
export const hostOf = (name: string): string => `${name}.bitka.svc.cluster.local`

export const backends = serviceTable.filter(({ name }) => name !== 'gateway')
