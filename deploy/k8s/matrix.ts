import type { Manifest } from './rendered.ts'

type Peer = {
  podSelector?: { matchLabels?: Record<string, string> }
  namespaceSelector?: { matchLabels?: Record<string, string> }
  ipBlock?: { cidr: string; except?: string[] }
}
type Rule = { from?: Peer[]; to?: Peer[]; ports?: { protocol?: string; port: number }[] }

/** The labels by which a policy means one kind of pod, and what the matrix calls it. */
const selectors: Readonly<Record<string, (value: string) => string>> = {
  'bitka.workload': (value) => value,
  'cnpg.io/cluster': () => 'postgres',
  'strimzi.io/cluster': () => 'kafka',
  'strimzi.io/kind': (value) => value,
  'app.kubernetes.io/name': (value) => value,
  'k8s-app': (value) => value,
}

function nameOf(labels: Record<string, string> | undefined): string {
  const entries = Object.entries(labels ?? {})
  if (entries.length === 0) return '*'
  const [[key, value] = ['', '']] = entries
  const name = selectors[key]
  if (entries.length > 1 || !name)
    throw new Error(`a policy selects by ${JSON.stringify(labels)}, which nobody has read`)
  return name(value)
}

function peerOf({ podSelector, namespaceSelector, ipBlock }: Peer): string {
  if (ipBlock) return ipBlock.except ? `${ipBlock.cidr} but private` : ipBlock.cidr
  const namespace = namespaceSelector?.matchLabels?.['kubernetes.io/metadata.name']
  if (namespaceSelector && namespace === undefined) throw new Error('a policy lets in whole namespaces')
  return `${namespace === undefined ? '' : `${namespace}/`}${nameOf(podSelector?.matchLabels)}`
}

/** What the policies let through, one line each, sorted: "in: FROM > TO:PORT" and "out: FROM > TO:PORT". */
export function matrixOf(manifests: readonly Manifest[]): string[] {
  const lines: string[] = []
  for (const { kind, spec } of manifests) {
    if (kind !== 'NetworkPolicy') continue
    const self = nameOf(spec.podSelector.matchLabels)
    const each = (rules: Rule[], side: 'from' | 'to', line: (peer: string, port: string) => string): void => {
      for (const rule of rules) {
        const peers = rule[side]
        // Left out, either would mean everybody or every port.
        if (!peers?.length || !rule.ports?.length) throw new Error(`a rule of ${self} names no peer or no port`)
        for (const peer of peers) {
          for (const { port, protocol = 'TCP' } of rule.ports) {
            lines.push(line(peerOf(peer), protocol === 'TCP' ? String(port) : `${port}/${protocol}`))
          }
        }
      }
    }
    each(spec.ingress ?? [], 'from', (peer, port) => `in: ${peer} > ${self}:${port}`)
    each(spec.egress ?? [], 'to', (peer, port) => `out: ${self} > ${peer}:${port}`)
  }
  return [...new Set(lines)].sort()
}
