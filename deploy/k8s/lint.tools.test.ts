import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { lintK8s, type Manifest, renderedManifests } from './rendered.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const all = renderedManifests()

/** Where each kind can be broken: an object that gets a field of no API, a value of a wrong type, a field that must be there. */
type Break = { unknown: string; wrong: [string, unknown]; missing: string }
const container = 'spec.template.spec.containers.0'
const pods: Break = {
  unknown: container,
  wrong: [`${container}.ports.0.containerPort`, 'seven'],
  missing: `${container}.name`,
}
const breaks: Readonly<Record<string, Break>> = {
  'v1/ConfigMap': { unknown: '', wrong: ['data', ['a list']], missing: 'metadata' },
  'v1/Namespace': { unknown: '', wrong: ['metadata.labels', 'none'], missing: 'metadata.name' },
  'v1/Service': { unknown: 'spec.ports.0', wrong: ['spec.selector', 'envoy'], missing: 'spec.ports.0.port' },
  'v1/ServiceAccount': { unknown: '', wrong: ['automountServiceAccountToken', 'no'], missing: 'metadata.name' },
  'apps/v1/DaemonSet': { ...pods, wrong: ['spec.template.spec.tolerations', 'all'] },
  'apps/v1/Deployment': pods,
  'apps/v1/StatefulSet': pods,
  'autoscaling/v2/HorizontalPodAutoscaler': {
    unknown: 'spec.scaleTargetRef',
    wrong: ['spec.maxReplicas', 'many'],
    missing: 'spec.maxReplicas',
  },
  'batch/v1/Job': { ...pods, wrong: ['spec.backoffLimit', 'often'] },
  'networking.k8s.io/v1/NetworkPolicy': {
    unknown: 'spec.podSelector',
    wrong: ['spec.policyTypes', 'Ingress'],
    missing: 'metadata.name',
  },
  'policy/v1/PodDisruptionBudget': { unknown: 'spec', wrong: ['spec.selector', 'all'], missing: 'metadata.name' },
  'rbac.authorization.k8s.io/v1/ClusterRole': {
    unknown: 'rules.0',
    wrong: ['rules.0.verbs', 'get'],
    missing: 'rules.0.verbs',
  },
  'rbac.authorization.k8s.io/v1/ClusterRoleBinding': {
    unknown: 'roleRef',
    wrong: ['subjects', 'everybody'],
    missing: 'roleRef.name',
  },
  'rbac.authorization.k8s.io/v1/Role': {
    unknown: 'rules.0',
    wrong: ['rules.0.verbs', 'get'],
    missing: 'rules.0.verbs',
  },
  'rbac.authorization.k8s.io/v1/RoleBinding': {
    unknown: 'roleRef',
    wrong: ['subjects', 'everybody'],
    missing: 'roleRef.name',
  },
  'storage.k8s.io/v1/CSIDriver': { unknown: 'spec', wrong: ['spec.attachRequired', 'no'], missing: 'spec' },
  'barmancloud.cnpg.io/v1/ObjectStore': {
    unknown: 'spec.configuration.data',
    wrong: ['spec.retentionPolicy', 'for ever'],
    missing: 'spec.configuration.destinationPath',
  },
  'cert-manager.io/v1/Certificate': {
    unknown: 'spec.issuerRef',
    wrong: ['spec.dnsNames', 'exchange.bitka.example'],
    missing: 'spec.secretName',
  },
  'cert-manager.io/v1/Issuer': {
    unknown: 'spec.acme',
    wrong: ['spec.acme.solvers', 'dns'],
    missing: 'spec.acme.privateKeySecretRef',
  },
  'external-secrets.io/v1/ExternalSecret': {
    unknown: 'spec.data.0.remoteRef',
    wrong: ['spec.data.0.secretKey', 7],
    missing: 'spec.data.0.remoteRef.key',
  },
  'external-secrets.io/v1/SecretStore': {
    unknown: 'spec.provider.gcpsm',
    wrong: ['spec.provider.gcpsm.projectID', 7],
    missing: 'spec.provider',
  },
  'gateway.networking.k8s.io/v1/Gateway': {
    unknown: 'spec.listeners.0',
    wrong: ['spec.listeners.0.port', 'https'],
    missing: 'spec.gatewayClassName',
  },
  'gateway.networking.k8s.io/v1/HTTPRoute': {
    unknown: 'spec.rules.0',
    wrong: ['spec.hostnames', 'exchange.bitka.example'],
    missing: 'spec.parentRefs.0.name',
  },
  'kafka.strimzi.io/v1/Kafka': {
    unknown: 'spec.kafka',
    wrong: ['spec.kafka.listeners.0.tls', 'yes'],
    missing: 'spec.kafka.listeners.0.port',
  },
  'kafka.strimzi.io/v1/KafkaNodePool': { unknown: 'spec', wrong: ['spec.replicas', 'three'], missing: 'spec.roles' },
  'networking.gke.io/v1/GCPBackendPolicy': {
    unknown: 'spec.default',
    wrong: ['spec.default.timeoutSec', 'an hour'],
    missing: 'spec.targetRef.name',
  },
  'networking.gke.io/v1/GCPGatewayPolicy': {
    unknown: 'spec.default',
    wrong: ['spec.default.sslPolicy', true],
    missing: 'spec.targetRef.kind',
  },
  'networking.gke.io/v1/HealthCheckPolicy': {
    unknown: 'spec.default',
    wrong: ['spec.default.config.httpHealthCheck.port', 'metrics'],
    missing: 'spec.targetRef.name',
  },
  'postgresql.cnpg.io/v1/Cluster': {
    unknown: 'spec.storage',
    wrong: ['spec.instances', 'three'],
    missing: 'spec.plugins.0.name',
  },
  'postgresql.cnpg.io/v1/ScheduledBackup': {
    unknown: 'spec',
    wrong: ['spec.immediate', 'yes'],
    missing: 'spec.schedule',
  },
  'spire.spiffe.io/v1alpha1/ClusterSPIFFEID': {
    unknown: 'spec',
    wrong: ['spec.workloadSelectorTemplates', 'k8s:ns:bitka'],
    missing: 'spec.spiffeIDTemplate',
  },
}

/** Sets, or without a value removes, what a path like `spec.ports.0` leads to. */
function change(manifest: Manifest, path: string, value?: unknown): Manifest {
  const copy = structuredClone(manifest)
  const keys = path.split('.')
  const last = keys.pop() ?? ''
  // biome-ignore lint/suspicious/noExplicitAny: paths lead through any shape
  const owner = keys.reduce<any>((at, key) => at[key], copy)
  expect([manifest.kind, path, owner !== undefined]).toEqual([manifest.kind, path, true])
  if (value === undefined) {
    expect(owner).toHaveProperty([last])
    delete owner[last]
  } else owner[last] = value
  return copy
}

const kindOf = ({ apiVersion, kind }: Manifest): string => `${apiVersion}/${kind}`

it('a broken manifest of each kind that we use fails the lint, in three ways', () => {
  const manifests = Object.values(all).flat()
  const kinds = new Set(manifests.map(kindOf))
  expect([...kinds].sort()).toEqual(Object.keys(breaks).sort())
  const list = JSON.parse(readFileSync(join(root, 'deploy/k8s/schemas.json'), 'utf8'))
  const withSchema = [
    ...list.kubernetes.kinds,
    ...list.modules.flatMap((one: { kinds: string[] }) => one.kinds),
    ...Object.keys(list.strimzi.classes),
    ...list.handwritten.map((one: { kind: string }) => one.kind),
  ]
  expect(withSchema.sort()).toEqual([...kinds].sort())
  const folder = mkdtempSync(join(tmpdir(), 'bitka-broken-'))
  try {
    const wanted = new Map<string, 'statusValid' | 'statusInvalid'>()
    for (const [kind, { unknown, wrong, missing }] of Object.entries(breaks)) {
      // The one that has everything that is broken below.
      const sample = manifests
        .filter((manifest) => kindOf(manifest) === kind)
        .sort((a, b) => JSON.stringify(b).length - JSON.stringify(a).length)[0] as Manifest
      const write = (how: string, manifest: Manifest, status: 'statusValid' | 'statusInvalid'): void => {
        const file = join(folder, `${kind.replaceAll('/', '_')}-${how}.yaml`)
        // As Kubernetes reads YAML: a bare yes is true.
        writeFileSync(file, stringify(manifest, { version: '1.1' }))
        wanted.set(file, status)
      }
      write('whole', sample, 'statusValid')
      write('unknown', change(sample, unknown === '' ? 'notAField' : `${unknown}.notAField`, 'x'), 'statusInvalid')
      write('wrong', change(sample, ...wrong), 'statusInvalid')
      write('missing', change(sample, missing), 'statusInvalid')
    }
    const { status, stdout } = lintK8s('--manifests', folder, '--json')
    expect(status).not.toBe(0)
    const { resources } = JSON.parse(stdout) as { resources: { filename: string; status: string; msg: string }[] }
    expect(Object.fromEntries(resources.map((one) => [one.filename, one.status]))).toEqual(Object.fromEntries(wanted))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

it('a kind that has no schema fails the lint', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bitka-unknown-'))
  try {
    const text = 'apiVersion: example.org/v1\nkind: Unknown\nmetadata: { name: one }\n'
    writeFileSync(join(folder, 'one.yaml'), text)
    const { status, stdout } = lintK8s('--manifests', folder)
    expect(stdout).toContain('could not find schema for Unknown')
    expect(status).not.toBe(0)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
