import type { PeerCertificate } from 'node:tls'

export type KafkaTls = {
  /** PEM. */
  key: string
  cert: string
  ca: string | string[]
  /** Who the broker must be; default: its host name. With SPIFFE ids: check the URI in `subjectaltname`. */
  checkServerIdentity?: (host: string, certificate: PeerCertificate) => Error | undefined
}
