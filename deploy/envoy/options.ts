import type { CertificateSource } from './tls.ts'

/** Where Envoy listens; the same numbers on a native stack, in compose and in k8s. */
export type EdgePorts = {
  /** People and their programs, over TLS. */
  public: number
  /** Plain HTTP, which redirects. */
  plain: number
  /** Operators. */
  admin: number
  /** Programs outside the deployment that have an identity in the mesh. */
  mesh: number
  /** Probes and metrics; for networks that only we are in. */
  metrics: number
  /** Envoy's own administration, on loopback. */
  envoyAdmin: number
}

/** What differs between the ways of running Envoy. */
export type EdgeOptions = {
  trustDomain: string
  /** Envoy's own identity in the mesh. */
  identity: CertificateSource
  /** The certificate that people see. */
  publicCertificate: CertificateSource
  /** Where the listeners are. */
  address: string
  /** Where the listener of probes and metrics is; `address` unless given. */
  metricsAddress?: string
  ports: EdgePorts
  /** The gateway: `http` for HTTP/1.1, `grpc` for HTTP/2. */
  gateways: readonly { host: string; http: number; grpc: number }[]
  /** Addresses (CIDR) from which operators may work. */
  operatorNetworks: readonly string[]
  /** True: operators from those addresses may use the public listener too (demo). */
  operatorsOnPublic: boolean
  /** SPIFFE IDs that may use the mesh listener. None: there is no such listener. */
  internalCallers: readonly string[]
  /** Requests a second of one address, and how many at once: against floods, not a quota. */
  flood: { perSecond: number; burst: number }
  /** The Unix socket of the SPIRE agent, where identities come from it. */
  agentSocket?: string
  /** Paths that take files: streamed, and up to 5 MiB. None yet. */
  uploads?: readonly string[]
  /** The server of the web page's files. Unset: there is no page. */
  web?: { host: string; port: number }
}

/** The variable of Envoy's environment that holds the public host name, with `:port` where that is not 443. */
export const PUBLIC_HOST_VARIABLE = 'BITKA_PUBLIC_HOST'

/** The `@type` of a message of Envoy's API. */
export const type = (name: string): { '@type': string } => ({ '@type': `type.googleapis.com/${name}` })

export const socketAddress = (address: string, port: number): object => ({
  socket_address: { address, port_value: port },
})
