import { readFileSync } from 'node:fs'
import { stringify } from 'yaml'
import { serviceTable } from '../table/index.ts'
import { edgeBehindGoogle, edgeFiles } from './edge.ts'
import { externalSecrets } from './external-secrets.ts'
import { identityManifests } from './identity.ts'
import { jobManifests } from './jobs.ts'
import { kafkaManifests } from './kafka.ts'
import { monitoringFiles } from './monitoring.ts'
import { networkPolicies } from './network.ts'
import type { JsonObject } from './pods.ts'
import { serviceManifests } from './services.ts'

const HEAD = '# Made by deploy/k8s (npx tsx --conditions=@bitka/source deploy/k8s/main.ts); not edited by hand.\n'

const manifests = (list: readonly JsonObject[]): string =>
  HEAD +
  list
    // Kubernetes reads YAML 1.1, where a bare yes is true. Anchors would be shorter, and nobody expects them in a manifest.
    .map((one) => `---\n${stringify(one, { version: '1.1', aliasDuplicateObjects: false, lineWidth: 0 })}`)
    .join('')

const repositoryFile = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

/** Every file of k8s/ that a program makes, by its path from there. */
export function renderAll(): Map<string, string> {
  const files = new Map<string, string>()
  for (const row of serviceTable)
    files.set(`base/generated/services/${row.name}.yaml`, manifests(serviceManifests(row)))
  files.set('base/generated/network-policies.yaml', manifests(networkPolicies()))
  files.set('base/generated/jobs.yaml', manifests(jobManifests()))
  files.set('base/generated/kafka.yaml', manifests(kafkaManifests()))
  files.set('base/generated/identities.yaml', manifests(identityManifests()))
  for (const [name, text] of edgeFiles()) files.set(`base/generated/envoy/${name}`, text)
  files.set('base/generated/envoy/drain.sh', repositoryFile('deploy/envoy/drain.sh'))
  files.set('base/generated/seed.json', repositoryFile('embedded/src/seed.json'))
  files.set('overlays/gke/generated/external-secrets.yaml', manifests(externalSecrets('gke')))
  files.set('overlays/gke/generated/envoy.yaml', edgeBehindGoogle())
  for (const name of ['server.conf', 'agent.conf', 'controller-manager.yaml'])
    files.set(`spire/generated/${name}`, repositoryFile(`deploy/spire/k8s/${name}`))
  for (const [path, content] of monitoringFiles()) files.set(`monitoring/${path}`, content)
  const list = [...files.keys()]
    .map((path) => /^base\/(generated\/(?!envoy\/|seed).*)$/.exec(path)?.[1])
    .filter((path) => path !== undefined)
    .map((path) => path.slice('generated/'.length))
  files.set(
    'base/generated/kustomization.yaml',
    HEAD + stringify({ apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources: list.sort() }),
  )
  return files
}
