import { spiffeId } from '@bitka/mesh'
import { stringify } from 'yaml'
import { serviceTable } from '../table/index.ts'
import { edgeConfig } from './config.ts'
import type { EdgeOptions, EdgePorts } from './options.ts'
import { type CertificateSource, sdsFiles } from './tls.ts'

/** Where Envoy listens, however it runs. */
export const edgePorts: EdgePorts = {
  public: 8443,
  plain: 8480,
  admin: 8445,
  mesh: 8444,
  metrics: 9190,
  envoyAdmin: 8901,
}

/** The two ways of running that have a file of their own; the native stack writes one for its folders. */
export const targets = ['compose', 'k8s'] as const
export type Target = (typeof targets)[number]

/** What an operator of the exchange may set; all have defaults. */
export type RenderOptions = {
  trustDomain?: string
  operatorNetworks?: readonly string[]
  internalCallers?: readonly string[]
  /** host:port of the server of the web page's files. */
  web?: { host: string; port: number }
  /** Where the files are that Envoy reads; for checks on a machine that is not a container. */
  folders?: { config: string; publicTls: string }
}

/** Folders in the container: configuration, the public certificate (tls.crt, tls.key), the SPIRE agent's socket. */
export const containerFolders = { config: '/etc/envoy', publicTls: '/etc/bitka/public-tls' } as const
export const AGENT_SOCKET = '/run/spire/agent/api.sock'

const gatewayPort = serviceTable.find(({ name }) => name === 'gateway')?.port ?? 0

/**
 * Operators come through a door that only the host can reach: in compose a port on its loopback, whose connections come from
 * Docker's own networks; in k8s `kubectl port-forward`, which comes from the pod's loopback.
 */
const operatorNetworks: Readonly<Record<Target, readonly string[]>> = {
  compose: ['127.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'],
  k8s: ['127.0.0.0/8'],
}

function optionsOf(target: Target, options: RenderOptions): EdgeOptions & { publicCertificate: CertificateSource } {
  const { trustDomain = 'bitka.local', folders = containerFolders } = options
  return {
    trustDomain,
    identity: { kind: 'sds', id: spiffeId(trustDomain, 'envoy'), trustDomain },
    publicCertificate: {
      kind: 'files',
      name: 'public',
      certFile: `${folders.publicTls}/tls.crt`,
      keyFile: `${folders.publicTls}/tls.key`,
      watch: folders.publicTls,
      secretsDir: folders.config,
    },
    address: '0.0.0.0',
    ports: edgePorts,
    // One name for all replicas: in k8s a Service without an address of its own (headless).
    gateways: [{ host: 'gateway', http: gatewayPort, grpc: gatewayPort + 1 }],
    operatorNetworks: options.operatorNetworks ?? operatorNetworks[target],
    operatorsOnPublic: false,
    internalCallers: options.internalCallers ?? [spiffeId(trustDomain, 'internal-caller')],
    flood: { perSecond: 500, burst: 1_000 },
    agentSocket: AGENT_SOCKET,
    ...(options.web !== undefined && { web: options.web }),
  }
}

const HEAD = '# Made by deploy/envoy (node dist/envoy.mjs render); not edited by hand.\n'

/** Envoy's configuration for containers, and the file that names its public certificate; by file name, as YAML. */
export function render(target: Target, options: RenderOptions = {}): Map<string, string> {
  const edge = optionsOf(target, options)
  const text = (content: object): string => HEAD + stringify(content)
  const secrets = [...sdsFiles(edge.publicCertificate)].map(([path, content]): [string, string] => [
    path.slice(path.lastIndexOf('/') + 1),
    text(content),
  ])
  return new Map([[`${target}.yaml`, text(edgeConfig(edge))], ...secrets])
}
