import { spiffeId } from '@bitka/mesh'
import { stringify } from 'yaml'
import { infrastructure, namespace, serviceTable } from '../table/index.ts'

/** Where SPIRE runs, which decides how it knows a workload. */
export const platforms = ['compose', 'unix', 'k8s'] as const
export type Platform = (typeof platforms)[number]

/** The label of containers and pods that says which row of the table they are. */
export const WORKLOAD_LABEL = 'bitka.workload'

/** The CommonName of the node's certificate: server.conf makes the agent's SPIFFE ID of it. */
export const NODE_NAME = 'node'

/** A registration entry as `spire-server entry create -data` reads it. */
export type Entry = {
  /** Ours begin with "bitka-", so that a later table can update or delete them. */
  entry_id: string
  spiffe_id: string
  parent_id: string
  selectors: { type: string; value: string }[]
  dns_names?: string[]
}

type Workload = { name: string; uid: number; dnsNames: readonly string[] }

/** Everybody with an identity in a deployment; the example of a caller from outside is not one of it. */
const workloads = (): Workload[] => [
  ...serviceTable.map(({ name, uid }) => ({ name, uid, dnsNames: [] })),
  ...infrastructure.filter(({ name }) => name !== 'internal-caller'),
]

/** Which host names go into the certificate of a program whose clients check those. */
function dnsNames({ name, dnsNames: local }: Workload, platform: Platform): string[] {
  if (local.length === 0) return []
  if (platform === 'unix') return [...local]
  if (platform === 'compose') return [name]
  return [`${name}.${namespace}.svc`, `${name}.${namespace}.svc.cluster.local`]
}

const selectorsOf = ({ name, uid }: Workload, platform: 'compose' | 'unix'): Entry['selectors'] =>
  platform === 'compose'
    ? [{ type: 'docker', value: `label:${WORKLOAD_LABEL}:${name}` }]
    : [{ type: 'unix', value: `uid:${uid}` }]

/** The registration entries of one node with every workload on it, as compose and a virtual machine are. */
export function registrationEntries(platform: 'compose' | 'unix', trustDomain: string): Entry[] {
  return workloads().map((workload) => {
    const names = dnsNames(workload, platform)
    return {
      entry_id: `bitka-${workload.name}`,
      spiffe_id: spiffeId(trustDomain, workload.name),
      parent_id: `spiffe://${trustDomain}/spire/agent/x509pop/cn/${NODE_NAME}`,
      selectors: selectorsOf(workload, platform),
      ...(names.length > 0 && { dns_names: names }),
    }
  })
}

/**
 * The same for Kubernetes, where pods come and go: spire-controller-manager makes an entry for each pod of ours that carries
 * the label, and the agent hands it out only to a pod that also runs under the service account of that name.
 */
export function clusterSpiffeIds(): object[] {
  return workloads().map((workload) => {
    const { name } = workload
    const names = dnsNames(workload, 'k8s')
    return {
      apiVersion: 'spire.spiffe.io/v1alpha1',
      kind: 'ClusterSPIFFEID',
      metadata: { name: `bitka-${name}`, labels: { 'app.kubernetes.io/part-of': 'bitka' } },
      spec: {
        spiffeIDTemplate: `spiffe://{{ .TrustDomain }}/ns/${namespace}/sa/${name}`,
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
        podSelector: { matchLabels: { [WORKLOAD_LABEL]: name } },
        workloadSelectorTemplates: [`k8s:ns:${namespace}`, `k8s:sa:${name}`],
        ...(names.length > 0 && { dnsNameTemplates: names }),
      },
    }
  })
}

const HEADER = '# Made from the service table by `node dist/spire.mjs entries k8s`; a test keeps it fresh.\n'

/** What `spire entries` prints. */
export function renderEntries(platform: Platform, trustDomain: string): string {
  if (platform === 'k8s') {
    return (
      HEADER +
      clusterSpiffeIds()
        .map((manifest) => `---\n${stringify(manifest)}`)
        .join('')
    )
  }
  const json = JSON.stringify({ entries: registrationEntries(platform, trustDomain) }, null, 2)
  // As the formatter of the repository writes lists of one.
  return `${json.replace(/\[\s+("[^"]*")\s+\]/g, '[$1]')}\n`
}
