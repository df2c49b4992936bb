import { clusterSpiffeIds } from '../spire/entries.ts'
import { kafkaCluster } from './platform.ts'
import type { JsonObject } from './pods.ts'

type ClusterSpiffeId = {
  metadata: { name: string }
  spec: { workloadSelectorTemplates: string[] }
}

/** PostgreSQL is CloudNativePG's, whose own authority makes its certificates; the collector is in the namespace `monitoring`. */
const notInCluster = ['bitka-postgres', 'bitka-collector']
/** Strimzi names its brokers' service account itself. */
const strimziAccount = { name: 'bitka-kafka', account: `k8s:sa:${kafkaCluster}-kafka` } as const

/** Who gets which identity: as deploy/spire says, but for what operators run. */
export const identityManifests = (): JsonObject[] =>
  (clusterSpiffeIds() as unknown as ClusterSpiffeId[])
    .filter(({ metadata }) => !notInCluster.includes(metadata.name))
    .map((one) => {
      const { name, account } = strimziAccount
      if (one.metadata.name !== name) return one
      const selectors = one.spec.workloadSelectorTemplates.map((text) => (text.startsWith('k8s:sa:') ? account : text))
      return { ...one, spec: { ...one.spec, workloadSelectorTemplates: selectors } }
    }) as unknown as JsonObject[]
