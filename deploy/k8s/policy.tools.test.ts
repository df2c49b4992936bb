import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { kafkaAcls, topics } from '@bitka/events'
import { spiffeId } from '@bitka/mesh'
import { parse } from 'yaml'
import { authorizationProperties, principalOf } from '../kafka/server-properties.ts'
import { infrastructure, serviceTable } from '../table/index.ts'
import { expectedCalls, expectedIn, expectedOf, expectedOut } from './expected-matrix.ts'
import { matrixOf } from './matrix.ts'
import { trustDomain, WORKLOAD_LABEL } from './platform.ts'
import { type Manifest, renderedManifests } from './rendered.ts'
import { secretTable } from './secrets.ts'
import { postgresConnections, sizes } from './sizing.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const all = renderedManifests()
const overlays = ['gke', 'k3s'] as const
const names = serviceTable.map(({ name }) => name)

const ofKind = (manifests: Manifest[], ...kinds: string[]): Manifest[] =>
  manifests.filter(({ kind }) => kinds.includes(kind))
const one = (manifests: Manifest[], kind: string, name: string): Manifest => {
  const found = manifests.filter((manifest) => manifest.kind === kind && manifest.metadata.name === name)
  expect([kind, name, found.length]).toEqual([kind, name, 1])
  return found[0] as Manifest
}
const workloads = (manifests: Manifest[]): Manifest[] =>
  ofKind(manifests, 'Deployment', 'StatefulSet', 'DaemonSet', 'Job')
const podOf = (manifest: Manifest) => manifest.spec.template.spec
const containersOf = (manifest: Manifest) => [
  ...(podOf(manifest).containers as Manifest[]),
  ...((podOf(manifest).initContainers ?? []) as Manifest[]),
]
/** Every value in a manifest, with the path that leads to it. */
function* walk(value: unknown, path: string[] = []): Generator<[string[], unknown]> {
  yield [path, value]
  if (value === null || typeof value !== 'object') return
  for (const [key, inner] of Object.entries(value)) yield* walk(inner, [...path, key])
}

describe.each(overlays)('the pods of %s', (overlay) => {
  const manifests = all[overlay]
  const ours = workloads(manifests)

  it('are those of the service table, Envoy and the two jobs', () => {
    const expected = [...names, 'envoy', 'kafka-admin', 'migrate'].sort()
    expect(ours.map(({ metadata }) => metadata.name).sort()).toEqual(expected)
    for (const { metadata } of manifests) expect(['bitka', undefined]).toContain(metadata.namespace)
  })

  it('run images with a digest or a tag that stays', () => {
    const images = [...walk(manifests)]
      .filter(([path, value]) => ['image', 'imageName'].includes(path.at(-1) ?? '') && typeof value === 'string')
      .map(([, value]) => String(value))
    expect(images.length).toBeGreaterThan(names.length)
    for (const image of images) expect(image).toMatch(/(@sha256:[0-9a-f]{64}|:v?\d+\.\d+[\w.-]*)$/)
    for (const image of images) expect(image).not.toMatch(/^bitka\/|:latest/)
  })

  it('are nobody’s root, with nothing to write to and nothing to gain', () => {
    for (const manifest of ours) {
      const { securityContext, volumes = [], ...pod } = podOf(manifest)
      expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
      expect(securityContext.runAsUser).toBeGreaterThan(1_000)
      for (const key of ['hostNetwork', 'hostPID', 'hostIPC', 'hostUsers']) expect(pod).not.toHaveProperty(key)
      for (const volume of volumes) expect(volume).not.toHaveProperty('hostPath')
      for (const { securityContext: own, ports = [] } of containersOf(manifest)) {
        expect(own).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
        for (const port of ports) expect(port).not.toHaveProperty('hostPort')
      }
    }
    const { labels } = one(manifests, 'Namespace', 'bitka').metadata as Manifest['metadata'] & { labels: object }
    for (const mode of ['enforce', 'audit', 'warn'])
      expect(labels).toMatchObject({ [`pod-security.kubernetes.io/${mode}`]: 'restricted' })
  })

  it('have the accounts of the table', () => {
    const uids = new Map<string, number>([...serviceTable, ...infrastructure].map(({ name, uid }) => [name, uid]))
    for (const manifest of ours) {
      const uid = uids.get(manifest.metadata.name)
      if (uid !== undefined) expect(podOf(manifest).securityContext).toMatchObject({ runAsUser: uid, runAsGroup: uid })
      else expect(manifest.metadata.name).toBe('migrate')
    }
    const used = ours.map((manifest) => podOf(manifest).securityContext.runAsUser)
    expect(new Set(used).size).toBe(used.length)
  })

  it('say what they need and may take', () => {
    for (const manifest of ours) {
      for (const { resources } of containersOf(manifest)) {
        for (const side of ['requests', 'limits']) {
          expect(resources[side].cpu).toMatch(/^\d+m?$/)
          expect(resources[side].memory).toMatch(/^\d+(Mi|Gi)$/)
        }
      }
    }
  })

  it('do not have a key to the API server', () => {
    for (const manifest of ours) expect(podOf(manifest).automountServiceAccountToken).toBe(false)
    expect(ofKind(manifests, 'Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding')).toEqual([])
  })

  it('are asked on the metrics port whether they live and are ready', () => {
    for (const manifest of ours.filter(({ kind }) => kind !== 'Job')) {
      for (const container of containersOf(manifest)) {
        expect(container.ports.map(({ name }: { name: string }) => name)).toContain('metrics')
        expect(container.livenessProbe.httpGet).toEqual({ path: '/livez', port: 'metrics' })
        expect(container.readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'metrics' })
        expect(container.startupProbe.httpGet).toEqual({ path: '/livez', port: 'metrics' })
      }
    }
  })

  it('are spread, protected from drains, and scaled where that is allowed', () => {
    const budgets = ofKind(manifests, 'PodDisruptionBudget').map(
      ({ spec }) => spec.selector.matchLabels[WORKLOAD_LABEL],
    )
    const scaled = ofKind(manifests, 'HorizontalPodAutoscaler')
    const running = ours.filter(({ kind }) => kind !== 'Job')
    expect(budgets.sort()).toEqual(running.map(({ metadata }) => metadata.name).sort())
    const stateless = serviceTable.filter(({ replicas }) => replicas === 'stateless').map(({ name }) => name)
    expect(scaled.map(({ metadata }) => metadata.name).sort()).toEqual([...stateless, 'envoy'].sort())
    expect(stateless).not.toContain('matching')
    for (const { spec } of scaled) {
      expect(spec.minReplicas).toBeGreaterThanOrEqual(2)
      // Else each deployment would set the number back.
      expect(one(manifests, 'Deployment', spec.scaleTargetRef.name).spec).not.toHaveProperty('replicas')
    }
    for (const manifest of running) {
      const keys = podOf(manifest).topologySpreadConstraints.map(
        ({ topologyKey }: { topologyKey: string }) => topologyKey,
      )
      expect(keys).toEqual(['topology.kubernetes.io/zone', 'kubernetes.io/hostname'])
    }
  })

  it('replace one another without a gap, or the rollout is given up', () => {
    for (const { spec } of ofKind(manifests, 'Deployment')) {
      expect(spec.strategy.rollingUpdate).toEqual({ maxUnavailable: 0, maxSurge: 1 })
      expect(spec.progressDeadlineSeconds).toBe(300)
      expect(spec.revisionHistoryLimit).toBeGreaterThan(1)
    }
    expect(one(manifests, 'StatefulSet', 'matching').spec).toMatchObject({
      replicas: 2,
      podManagementPolicy: 'Parallel',
    })
  })
})

describe.each(overlays)('identities of %s', (overlay) => {
  const manifests = all[overlay]
  const ids = ofKind(manifests, 'ClusterSPIFFEID').map(({ spec }) => ({
    id: spec.spiffeIDTemplate.replace('{{ .TrustDomain }}', trustDomain) as string,
    workload: spec.podSelector.matchLabels[WORKLOAD_LABEL] as string,
    selectors: spec.workloadSelectorTemplates as string[],
    namespace: spec.namespaceSelector.matchLabels['kubernetes.io/metadata.name'] as string,
  }))

  it('are the service accounts', () => {
    const accounts = new Set(ofKind(manifests, 'ServiceAccount').map(({ metadata }) => metadata.name))
    for (const manifest of workloads(manifests)) {
      const { name } = manifest.metadata
      expect(podOf(manifest).serviceAccountName).toBe(name)
      expect(accounts).toContain(name)
      expect(manifest.spec.template.metadata.labels[WORKLOAD_LABEL]).toBe(name)
      const found = ids.filter(({ workload }) => workload === name)
      if (name === 'migrate') expect(found).toEqual([])
      else {
        const selectors = ['k8s:ns:bitka', `k8s:sa:${name}`]
        expect(found).toEqual([{ id: spiffeId(trustDomain, name), workload: name, selectors, namespace: 'bitka' }])
      }
    }
  })

  it('of Kafka is that of Strimzi’s account, for pods that Strimzi labels so', () => {
    const [kafka] = ids.filter(({ workload }) => workload === 'kafka')
    const { name } = one(manifests, 'Kafka', 'bitka').metadata
    expect(kafka).toMatchObject({
      id: spiffeId(trustDomain, 'kafka'),
      selectors: ['k8s:ns:bitka', `k8s:sa:${name}-kafka`],
    })
    const { template } = one(manifests, 'KafkaNodePool', 'node').spec
    expect(template.pod.metadata.labels).toEqual({ [WORKLOAD_LABEL]: 'kafka' })
  })

  it('are given to nobody else', () => {
    const running = [...workloads(manifests).map(({ metadata }) => metadata.name), 'kafka'].filter(
      (name) => name !== 'migrate',
    )
    expect(ids.map(({ workload }) => workload).sort()).toEqual(running.sort())
  })

  it('come by the CSI driver, on the socket that SPIRE’s agent makes', () => {
    const agent = /socket_path = "([^"]+)"/.exec(readFileSync(join(root, 'deploy/spire/k8s/agent.conf'), 'utf8'))?.[1]
    const file = agent?.slice(agent.lastIndexOf('/') + 1)
    for (const manifest of workloads(manifests).filter(
      ({ metadata }) => !['migrate', 'envoy'].includes(metadata.name),
    )) {
      const [container] = containersOf(manifest)
      const mount = container?.volumeMounts.find(({ name }: { name: string }) => name === 'spiffe')
      const variable = container?.env.find(({ name }: { name: string }) => name === 'SPIFFE_ENDPOINT_SOCKET')
      expect(variable.value).toBe(`unix:${mount.mountPath}/${file}`)
      expect(podOf(manifest).volumes).toContainEqual({
        name: 'spiffe',
        csi: { driver: 'csi.spiffe.io', readOnly: true },
      })
    }
    const envoy = one(manifests, 'Deployment', 'envoy')
    const mount = containersOf(envoy)[0]?.volumeMounts.find(({ name }: { name: string }) => name === 'spiffe')
    expect(edgeOf(overlay).text).toContain(`path: ${mount.mountPath}/${file}\n`)
  })
})

/** Envoy's configuration, as its pods get it. */
function edgeOf(overlay: (typeof overlays)[number]): { text: string; listeners: Manifest[] } {
  const [config] = all[overlay].filter(({ kind, data }) => kind === 'ConfigMap' && data?.['envoy.yaml'] !== undefined)
  const text = String(config?.data['envoy.yaml'])
  return { text, listeners: parse(text).static_resources.listeners }
}

describe('the edge', () => {
  it.each(overlays)(
    'of %s has the ports of its configuration, but for operators, callers and administration',
    (overlay) => {
      const ports = containersOf(one(all[overlay], 'Deployment', 'envoy'))[0]?.ports.map(
        ({ containerPort }: { containerPort: number }) => containerPort,
      )
      const listening = edgeOf(overlay).listeners.map(({ address }) => address.socket_address.port_value as number)
      expect(ports.sort()).toEqual(listening.filter((port) => ![8444, 8445].includes(port)).sort())
    },
  )

  it('believes nobody about a client’s address, but Google’s load balancer where only that reaches it', () => {
    const hops = (overlay: (typeof overlays)[number]) =>
      edgeOf(overlay).listeners.map((listener) => [
        listener.name,
        listener.filter_chains[0].filters[0].typed_config.xff_num_trusted_hops ?? 0,
      ])
    expect(hops('k3s').filter(([, count]) => count !== 0)).toEqual([])
    expect(hops('gke').filter(([, count]) => count !== 0)).toEqual([['public', 2]])
    const { ingress } = one(all.gke, 'NetworkPolicy', 'envoy').spec
    expect(ingress[0].from).toEqual([{ ipBlock: { cidr: '35.191.0.0/16' } }, { ipBlock: { cidr: '130.211.0.0/22' } }])
  })

  it('is all that can be reached from outside, and on no port of a machine', () => {
    for (const overlay of overlays) {
      const services = ofKind(all[overlay], 'Service')
      const open = services.filter(({ spec }) => (spec.type ?? 'ClusterIP') !== 'ClusterIP')
      expect(open.map(({ metadata }) => metadata.name)).toEqual(overlay === 'k3s' ? ['envoy'] : [])
      for (const { spec } of open)
        expect(spec).toMatchObject({
          type: 'LoadBalancer',
          allocateLoadBalancerNodePorts: false,
          externalTrafficPolicy: 'Local',
          selector: { [WORKLOAD_LABEL]: 'envoy' },
        })
      for (const [path] of walk(services)) expect(path).not.toContain('nodePort')
      for (const { spec } of services) expect(spec).not.toHaveProperty('externalIPs')
      expect(ofKind(all[overlay], 'Ingress', 'TCPRoute', 'TLSRoute', 'GRPCRoute')).toEqual([])
    }
    expect(ofKind(all.k3s, 'Gateway', 'HTTPRoute')).toEqual([])
    const backends = ofKind(all.gke, 'HTTPRoute').flatMap(({ spec }) =>
      spec.rules.flatMap(({ backendRefs = [] }: { backendRefs?: { name: string }[] }) =>
        backendRefs.map(({ name }) => name),
      ),
    )
    for (const name of backends)
      expect(one(all.gke, 'Service', name).spec.selector).toEqual({ [WORKLOAD_LABEL]: 'envoy' })
  })

  it('of gke stands behind Cloud Armor and speaks TLS 1.3', () => {
    const backends = ofKind(all.gke, 'HTTPRoute').flatMap(({ spec }) =>
      spec.rules.flatMap(({ backendRefs = [] }: { backendRefs?: { name: string }[] }) =>
        backendRefs.map(({ name }) => name),
      ),
    )
    for (const kind of ['GCPBackendPolicy', 'HealthCheckPolicy']) {
      const targets = ofKind(all.gke, kind).map(({ spec }) => spec.targetRef.name)
      expect(targets.sort()).toEqual([...new Set(backends)].sort())
    }
    for (const { spec } of ofKind(all.gke, 'GCPBackendPolicy')) expect(spec.default.securityPolicy).toBe('bitka-edge')
    expect(one(all.gke, 'GCPGatewayPolicy', 'public').spec.default.sslPolicy).toBe('bitka-tls13')
  })

  it('opens the mesh listener to one network, where an installation adds that', () => {
    const added = matrixOf(all.withCallers).filter((line) => !matrixOf(all.k3s).includes(line))
    expect(added).toEqual(['in: 10.50.0.0/24 > envoy:8444'])
    const { spec } = one(all.withCallers, 'Service', 'envoy-mesh')
    expect(spec).toMatchObject({ allocateLoadBalancerNodePorts: false, loadBalancerSourceRanges: ['10.50.0.0/24'] })
    expect(spec.ports.map(({ port }: { port: number }) => port)).toEqual([8444])
  })

  it.each(overlays)('of %s has a certificate for the public host, which is renewed a month ahead', (overlay) => {
    const { spec } = one(all[overlay], 'Certificate', 'public')
    expect(spec).toMatchObject({ dnsNames: ['exchange.bitka.example'], secretName: 'public-tls', renewBefore: '720h' })
    expect(one(all[overlay], 'Issuer', 'public').spec.acme.solvers).toEqual([{ dns01: expect.anything() }])
  })
})

describe.each(overlays)('the network of %s', (overlay) => {
  const manifests = all[overlay]

  it('lets through exactly what is written down here', () => {
    const { in: ownIn, out: ownOut } = expectedOf[overlay]
    const expected = [
      ...[...expectedCalls, ...expectedIn, ...ownIn].map((line) => `in: ${line}`),
      ...[...expectedCalls, ...expectedOut, ...ownOut].map((line) => `out: ${line}`),
    ]
    expect(matrixOf(manifests)).toEqual(expected.sort())
  })

  it('agrees with the service table', () => {
    for (const { name, calls } of serviceTable) {
      const called = expectedCalls
        .filter((line) => line.startsWith(`${name} > `))
        .map((line) => /> ([a-z-]+):/.exec(line)?.[1])
      expect(called.filter((peer) => names.some((known) => known === peer)).sort()).toEqual([...calls].sort())
    }
  })

  it('denies everything else, to every pod and in both directions', () => {
    const { spec } = one(manifests, 'NetworkPolicy', 'default-deny')
    expect(spec.podSelector).toEqual({})
    expect(spec.policyTypes).toEqual(['Ingress', 'Egress'])
    expect([...(spec.ingress ?? []), ...(spec.egress ?? [])]).toEqual([])
  })

  it('reaches every Service', () => {
    const allowed = matrixOf(manifests)
    for (const { metadata, spec } of ofKind(manifests, 'Service')) {
      const name = spec.selector[WORKLOAD_LABEL] as string
      const [pod] = workloads(manifests).filter(
        (manifest) => manifest.spec.template.metadata.labels[WORKLOAD_LABEL] === name,
      )
      for (const { targetPort } of spec.ports) {
        const ports = pod ? containersOf(pod)[0]?.ports : []
        const number = ports.find((port: { name: string }) => port.name === targetPort)?.containerPort
        const into = allowed.filter((line) => line.startsWith('in: ') && line.endsWith(` > ${name}:${number}`))
        expect([metadata.name, targetPort, into.length > 0]).toEqual([metadata.name, targetPort, true])
      }
    }
  })

  it('names every service by a name that the cluster knows, on the port where it listens', () => {
    const services = new Map(ofKind(manifests, 'Service').map(({ metadata, spec }) => [metadata.name, spec]))
    for (const manifest of workloads(manifests)) {
      const peers =
        containersOf(manifest)[0]?.env?.find(({ name }: { name: string }) => name === 'BITKA_PEERS')?.value ?? ''
      for (const peer of peers.split(',').filter(Boolean)) {
        const [, name, host, port] =
          /^([a-z-]+)=dns:\/\/\/([a-z-]+)\.bitka\.svc\.cluster\.local:(\d+)$/.exec(peer) ?? []
        expect(host).toBe(name)
        const service = services.get(name ?? '')
        expect(service.clusterIP).toBe('None')
        expect(service.ports.map((one: { port: number }) => one.port)).toContain(Number(port))
      }
    }
  })
})

describe.each(overlays)('secrets of %s', (overlay) => {
  const manifests = all[overlay]
  const known = new Map(
    secretTable
      .filter(({ namespace }) => namespace === undefined)
      .filter(({ overlays: only }) => only?.includes(overlay) ?? true)
      .map(({ name, keys }) => [name, new Set(Object.keys(keys))]),
  )

  it('are not here, only their names', () => {
    expect(ofKind(manifests, 'Secret')).toEqual([])
    for (const manifest of workloads(manifests)) {
      for (const { env = [] } of containersOf(manifest)) {
        for (const { name, value, valueFrom } of env) {
          if (value !== undefined) expect(name).not.toMatch(/(PASSWORD|SECRET|_KEY|KEK|TOKEN|DB_URL)$/)
          if (valueFrom !== undefined) expect(Object.keys(valueFrom)).toEqual(['configMapKeyRef'])
        }
      }
    }
    expect(JSON.stringify(manifests)).not.toMatch(/:\/\/[^/"\s]+:[^@/"\s]+@/)
  })

  it('are all in the table, with their keys', () => {
    const referred = new Map<string, Set<string>>()
    const refer = (name: string, keys: Iterable<string> = []): void => {
      const set = referred.get(name) ?? new Set()
      for (const key of keys) set.add(key)
      referred.set(name, set)
    }
    for (const manifest of manifests) {
      for (const [path, value] of walk(manifest)) {
        const item = value as Manifest
        if (path.at(-1) === 'secret' && typeof item === 'object' && (item.secretName ?? item.name) !== undefined)
          refer(
            item.secretName ?? item.name,
            (item.items ?? []).map(({ key }: { key: string }) => key),
          )
        if (/(accessKeyId|secretAccessKey|tsigSecretSecretRef)$/.test(path.at(-1) ?? ''))
          refer(item.name as never, [item.key])
        if (path.at(-1) === 'superuserSecret') refer(item.name as never, ['username', 'password'])
      }
      if (manifest.kind === 'Certificate') refer(manifest.spec.secretName, ['tls.crt', 'tls.key'])
    }
    expect([...referred.keys()].sort()).toEqual([...known.keys()].sort())
    for (const [name, keys] of referred)
      expect([name, [...keys].sort()]).toEqual([name, [...(known.get(name) ?? [])].sort()])
  })

  it('give a service its own database role and no other', () => {
    for (const { name, database } of serviceTable) {
      const [manifest] = workloads(manifests).filter(({ metadata }) => metadata.name === name)
      const text = JSON.stringify(manifest)
      expect([...text.matchAll(/"key":"([a-z-]+-(?:app|owner)-url)"/g)].map(([, key]) => key)).toEqual(
        database ? [`${name}-app-url`] : [],
      )
      expect(text).not.toContain('db-admin')
    }
  })

  if (overlay === 'gke') {
    it('come from Secret Manager, every key of them', () => {
      const wanted = secretTable.filter(({ name, madeBy }) => known.has(name) && madeBy === undefined)
      const external = ofKind(manifests, 'ExternalSecret')
      expect(external.map(({ metadata }) => metadata.name).sort()).toEqual(wanted.map(({ name }) => name).sort())
      for (const { name, keys } of wanted) {
        const { data } = one(manifests, 'ExternalSecret', name).spec
        expect(data.map(({ secretKey }: { secretKey: string }) => secretKey)).toEqual(Object.keys(keys))
      }
    })
  }
})

describe.each(overlays)('Kafka of %s', (overlay) => {
  const manifests = all[overlay]
  const { spec } = one(manifests, 'Kafka', 'bitka')

  it('has no users and topics of Strimzi’s: kafka-admin makes topics and rules', () => {
    expect(ofKind(manifests, 'KafkaUser', 'KafkaTopic')).toEqual([])
    expect(spec).not.toHaveProperty('entityOperator')
    expect(one(manifests, 'Job', 'kafka-admin').metadata.name).toBe('kafka-admin')
  })

  it('gives rights to the SVIDs of the cluster, and to nobody else', () => {
    const svids = ofKind(manifests, 'ClusterSPIFFEID').map(({ spec: own }) =>
      own.spiffeIDTemplate.replace('{{ .TrustDomain }}', trustDomain),
    )
    const acls = kafkaAcls(topics, (service) => principalOf(trustDomain, service))
    expect(acls.length).toBeGreaterThan(50)
    const principals = new Set(acls.map(({ principal }) => principal))
    for (const principal of principals) expect(svids.map((svid) => `User:${svid}`)).toContain(principal)
    expect([...principals].sort()).toEqual(
      serviceTable.map(({ name }) => `User:spiffe://bitka.local/ns/bitka/sa/${name}`).sort(),
    )
    const domains = workloads(manifests).flatMap((manifest) =>
      (containersOf(manifest)[0]?.env ?? []).filter(({ name }: { name: string }) => name === 'BITKA_TRUST_DOMAIN'),
    )
    for (const { value } of domains) expect(value).toBe(trustDomain)
    expect(spec.kafka.config['spiffe.trust.domain']).toBe(trustDomain)
    const users = spec.kafka.authorization.superUsers.map((name: string) => `User:${name}`).join(';')
    expect(users).toBe(authorizationProperties(trustDomain)['super.users'])
  })

  it('has one listener, of the mesh, with our principal builder', () => {
    expect(spec.kafka.listeners).toHaveLength(1)
    const [listener] = spec.kafka.listeners
    expect(listener).toMatchObject({
      port: 9093,
      type: 'internal',
      tls: true,
      authentication: {
        type: 'custom',
        sasl: false,
        listenerConfig: {
          'principal.builder.class': 'bitka.kafka.SpiffePrincipalBuilder',
          'ssl.engine.factory.class': 'bitka.kafka.SpiffeSslEngineFactory',
          'ssl.client.auth': 'required',
          'ssl.enabled.protocols': 'TLSv1.3',
        },
      },
    })
    const peers = listener.networkPolicyPeers.map((peer: Manifest) => peer.podSelector.matchLabels[WORKLOAD_LABEL])
    const expected = expectedCalls.filter((line) => line.endsWith(' > kafka:9093')).map((line) => line.split(' ')[0])
    expect(peers.sort()).toEqual(expected.sort())
    expect(spec.kafka.config).toMatchObject({ 'allow.everyone.if.no.acl.found': 'false', 'min.insync.replicas': 2 })
  })
})

describe.each(overlays)('PostgreSQL of %s', (overlay) => {
  const manifests = all[overlay]
  const { spec } = one(manifests, 'Cluster', 'postgres')

  it('speaks TLS 1.3 only, and has each commit on two machines', () => {
    expect(spec.postgresql).toMatchObject({
      parameters: { ssl_min_protocol_version: 'TLSv1.3' },
      pg_hba: ['hostnossl all all all reject'],
      synchronous: { number: 1, dataDurability: 'required' },
    })
    expect(spec).toMatchObject({ instances: 3, bootstrap: { initdb: { dataChecksums: true } } })
  })

  it('is backed up every day and at each change, elsewhere, and kept for 35 days', () => {
    expect(spec.plugins).toEqual([
      { name: 'barman-cloud.cloudnative-pg.io', isWALArchiver: true, parameters: { barmanObjectName: 'backups' } },
    ])
    expect(ofKind(manifests, 'ScheduledBackup').map((backup) => backup.spec.schedule)).toEqual(['0 15 2 * * *'])
    const store = one(manifests, 'ObjectStore', 'backups').spec
    expect(store.retentionPolicy).toBe('35d')
    const { configuration } = store
    if (overlay === 'gke') expect(configuration.destinationPath).toMatch(/^gs:/)
    else expect(configuration).toMatchObject({ wal: { encryption: 'AES256' }, data: { encryption: 'AES256' } })
    if (overlay === 'k3s') expect(configuration.endpointURL).toMatch(/^https:/)
  })

  it('has room for all connections that the services may open', () => {
    const surge = 1
    const used = serviceTable.reduce((sum, { name }) => sum + sizes[name].pool * (sizes[name].replicas.max + surge), 0)
    // Replicas, backups, the operator, migrations, and a person.
    expect(used + 30).toBeLessThanOrEqual(postgresConnections)
    expect(spec.postgresql.parameters.max_connections).toBe(String(postgresConnections))
  })
})

describe('the settings', () => {
  it.each(overlays)('of %s are variables that the program reads', (overlay) => {
    const sources = (folder: string): string =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.includes('.test.'))
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
        .join('\n')
    const shared = sources('libs/service/src')
    const folders = new Map<string, string>([
      ...names.map((name): [string, string] => [name, name === 'gateway' ? 'gateway/src' : `services/${name}/src`]),
      ['migrate', 'deploy/migrate'],
      ['kafka-admin', 'deploy/kafka'],
      ['envoy', 'deploy/envoy'],
    ])
    for (const manifest of workloads(all[overlay])) {
      const { name } = manifest.metadata
      const text =
        sources(folders.get(name) ?? '') +
        (name === 'envoy' ? readFileSync(join(root, 'deploy/envoy/drain.sh'), 'utf8') : shared)
      for (const { name: variable } of containersOf(manifest)[0]?.env ?? []) {
        if (!variable.startsWith('BITKA_')) continue
        expect([name, variable, new RegExp(`\\b${variable.replace(/_FILE$/, '(_FILE)?')}\\b`).test(text)]).toEqual([
          name,
          variable,
          true,
        ])
      }
    }
  })

  it.each(overlays)('of %s are all filled in', (overlay) => {
    const text = JSON.stringify(all[overlay].filter(({ kind }) => kind !== 'ConfigMap'))
    expect(text).not.toMatch(/replaced|\.invalid|192\.0\.2\./)
    const site = all[overlay].filter(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.startsWith('site-'))
    expect(site).toHaveLength(1)
    const keys = [...walk(all[overlay])]
      .filter(([path]) => path.at(-1) === 'configMapKeyRef')
      .map(([, value]) => (value as Manifest).key)
    for (const key of new Set(keys)) expect(site[0]?.data[key]).toBeTruthy()
  })
})

/** What a pod may do to its node. */
const rightsOverHost = (manifests: Manifest[]): string[] =>
  workloads(manifests).flatMap((manifest) => {
    const pod = podOf(manifest)
    const { name } = manifest.metadata
    return [
      ...['hostNetwork', 'hostPID', 'hostIPC'].filter((key) => pod[key]).map((key) => `${name} ${key}`),
      ...(pod.volumes ?? [])
        .filter((volume: Manifest) => volume.hostPath)
        .map((volume: Manifest) => `${name} ${volume.hostPath.path}`),
      ...containersOf(manifest).flatMap(({ name: container, securityContext: own }) => [
        ...(own.privileged ? [`${container} privileged`] : []),
        ...(own.runAsUser === 0 ? [`${container} root`] : []),
        ...(own.capabilities?.add ?? []).map((capability: string) => `${container} ${capability}`),
      ]),
    ]
  })

describe.each(['spire', 'monitoringGke', 'monitoringK3s'] as const)('beside the exchange, %s', (part) => {
  const manifests = all[part]

  it('has the rights over its nodes that are written down here', () => {
    const expected = {
      spire: [
        'spiffe-csi-driver /run/spire/agent-sockets',
        'spiffe-csi-driver /var/lib/kubelet/plugins/csi.spiffe.io',
        'spiffe-csi-driver /var/lib/kubelet/plugins_registry',
        'spiffe-csi-driver /var/lib/kubelet/pods',
        'spiffe-csi-driver privileged',
        'spire-agent /run/spire/agent-sockets',
        'spire-agent hostPID',
        'spire-agent root',
      ],
      monitoringGke: [],
      monitoringK3s: [
        'collector /var/lib/bitka-collector',
        'collector /var/log/pods',
        'collector DAC_READ_SEARCH',
        'collector root',
      ],
    }[part]
    expect(rightsOverHost(manifests).sort()).toEqual(expected)
  })

  it('has limits, images that stay, nothing to write to, and no door', () => {
    for (const manifest of workloads(manifests)) {
      for (const { image, securityContext, resources } of containersOf(manifest)) {
        expect(image).toMatch(/(@sha256:[0-9a-f]{64}|:v?\d+\.\d+[\w.-]*)$/)
        expect(securityContext.readOnlyRootFilesystem).toBe(true)
        if (!securityContext.privileged) expect(securityContext.capabilities.drop).toEqual(['ALL'])
        expect(Object.keys(resources.limits)).toEqual(['cpu', 'memory'])
      }
    }
    for (const { spec } of ofKind(manifests, 'Service')) expect(spec.type).toBe('ClusterIP')
  })

  it('takes no connection that a policy does not name', () => {
    const deny = one(manifests, 'NetworkPolicy', 'default-deny-ingress').spec
    expect(deny).toEqual({ podSelector: {}, policyTypes: ['Ingress'], ingress: [] })
    const selected = ofKind(manifests, 'NetworkPolicy').map(({ spec }) =>
      JSON.stringify(spec.podSelector.matchLabels ?? {}),
    )
    // Grafana has a Service for kubectl port-forward alone.
    for (const { metadata, spec } of ofKind(manifests, 'Service').filter(
      (service) => service.metadata.name !== 'grafana',
    ))
      expect([metadata.name, selected.includes(JSON.stringify(spec.selector))]).toEqual([metadata.name, true])
  })
})

describe.each(['monitoringGke', 'monitoringK3s'] as const)('observability, %s', (part) => {
  const manifests = all[part]
  const data = (name: string): Record<string, string> =>
    manifests.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.startsWith(`${name}-`))?.data

  it('has every dashboard and alert of deploy/observability', () => {
    const dashboards = readdirSync(join(root, 'deploy/observability/dashboards')).filter((name) =>
      name.endsWith('.json'),
    )
    expect(Object.keys(data('grafana-dashboards')).sort()).toEqual(dashboards.sort())
    expect(data('prometheus')['alerts.yaml']).toBe(readFileSync(join(root, 'deploy/observability/alerts.yaml'), 'utf8'))
  })

  it('has a store of logs only where it is needed', () => {
    const isOwn = part === 'monitoringK3s'
    expect(ofKind(manifests, 'StatefulSet').some(({ metadata }) => metadata.name === 'loki')).toBe(isOwn)
    expect(data('collector')['collector.yaml']?.includes('filelog')).toBe(isOwn)
    expect(data('grafana-sources')['bitka.yaml']?.includes('loki')).toBe(isOwn)
  })

  it('gives the collector the identity that services look for, and refers to secrets of the table', () => {
    const { spec } = one(manifests, 'ClusterSPIFFEID', 'bitka-collector')
    expect(spec.spiffeIDTemplate.replace('{{ .TrustDomain }}', trustDomain)).toBe(spiffeId(trustDomain, 'collector'))
    const secrets = [...walk(manifests)].filter(([path]) => path.at(-1) === 'secretName').map(([, value]) => value)
    expect(secrets).toEqual(secretTable.filter(({ namespace }) => namespace === 'monitoring').map(({ name }) => name))
  })
})

describe('the documentation', () => {
  const text = ['install-k3s.md', 'install-gke.md'].map((name) =>
    readFileSync(join(root, 'docs/operations', name), 'utf8'),
  )

  it('installs the operators in the versions that the manifests are validated against', () => {
    const { modules } = JSON.parse(readFileSync(join(root, 'deploy/k8s/schemas.json'), 'utf8')) as {
      modules: { module: string }[]
    }
    const versionOf = (name: string): string =>
      modules.find(({ module }) => module.includes(`/${name}@`))?.module.split('@v')[1] ?? '?'
    const strimzi = readFileSync(join(root, 'deploy/k8s/tools/strimzi/pom.xml'), 'utf8')
    const operator = /<artifactId>api<\/artifactId>\s*<version>([^<]+)</.exec(strimzi)?.[1]
    expect(text[0]).toContain(`charts/cert-manager --version v${versionOf('cert-manager')}`)
    expect(text[0]).toContain(`cnpg-${versionOf('cloudnative-pg')}.yaml`)
    expect(text[0]).toContain(`VERSION=v${versionOf('spire-controller-manager')}`)
    expect(text[0]).toContain(`strimzi-kafka-operator --version ${operator}`)
    expect(text[1]).toContain(`charts/external-secrets --version ${versionOf('external-secrets')}`)
    const kafka = one(all.k3s, 'Kafka', 'bitka').spec.kafka.version
    expect(readFileSync(join(root, 'Dockerfile'), 'utf8')).toContain(`strimzi/kafka:${operator}-kafka-${kafka}`)
  })

  it('names every secret, and every line of site.env that is not for everybody', () => {
    for (const { name } of secretTable) expect(text[0]).toContain(`\`${name}\``)
    for (const overlay of overlays) {
      const lines = readFileSync(join(root, 'k8s/overlays', overlay, 'site.env'), 'utf8').split('\n')
      for (const [, key] of lines.map((line) => /^([a-zA-Z0-9]+)=/.exec(line)).filter((match) => match !== null))
        expect(text.join('')).toContain(`\`${key}\``)
    }
  })
})
