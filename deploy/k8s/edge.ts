import { parse, stringify } from 'yaml'
import { render } from '../envoy/render.ts'
import { trustDomain } from './platform.ts'

const HEAD = '# Made by deploy/k8s; not edited by hand.\n'

/**
 * Google's load balancer speaks to Envoy in people's place and appends their address and its own to X-Forwarded-For, so the
 * address of a client is the second from the right. Only the load balancer can reach the listener (the overlay's policy).
 */
const GOOGLE_HOPS = 2

type Manager = { typed_config?: { stat_prefix?: string; xff_num_trusted_hops?: number } }
type Edge = {
  static_resources: { listeners: { name: string; filter_chains: { filters: Manager[] }[] }[] }
}

/** Envoy's files for the cluster, as deploy/envoy makes them: its configuration, and which files hold the certificate. */
export function edgeFiles(): Map<string, string> {
  const files = new Map<string, string>()
  for (const [name, text] of render('k8s', { trustDomain })) files.set(name === 'k8s.yaml' ? 'envoy.yaml' : name, text)
  return files
}

/** The same behind Google's load balancer. */
export function edgeBehindGoogle(): string {
  const edge = parse(edgeFiles().get('envoy.yaml') ?? '') as Edge
  const managers = edge.static_resources.listeners
    .filter(({ name }) => name === 'public')
    .flatMap(({ filter_chains }) => filter_chains.flatMap(({ filters }) => filters))
  const settings = managers.map(({ typed_config }) => typed_config).filter((one) => one?.stat_prefix === 'public')
  if (settings.length !== 1) throw new Error('the public listener of Envoy looks otherwise than expected')
  for (const one of settings) if (one) one.xff_num_trusted_hops = GOOGLE_HOPS
  return HEAD + stringify(edge)
}
