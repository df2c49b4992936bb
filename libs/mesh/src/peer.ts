import type { PeerCertificate } from 'node:tls'
import { type ParsedSpiffeId, parseSpiffeId } from './names.ts'
import type { RefusalReason } from './refusals.ts'

/** Why a peer's certificate names nobody that we talk to. For the log: a peer is told less. */
export class PeerError extends Error {
  override name = 'PeerError'

  constructor(
    readonly reason: RefusalReason,
    message: string,
  ) {
    super(message)
  }
}

type Peer = Pick<PeerCertificate, 'subjectaltname' | 'ca'>

/**
 * The SPIFFE ID of a certificate whose chain TLS has verified: exactly one URI name, no CA, our own trust domain.
 * @throws PeerError
 */
export function peerId(certificate: Peer, trustDomain: string): ParsedSpiffeId {
  const names = certificate.subjectaltname ?? ''
  // Node quotes a name that holds separators; no SPIFFE ID does, so a quoted one is somebody trying something.
  if (names.includes('"')) throw new PeerError('not_spiffe', 'a name in the certificate is not plain text')
  const uris = names.split(', ').filter((name) => name.startsWith('URI:'))
  const [uri] = uris
  if (uri === undefined || uris.length > 1)
    throw new PeerError('uri_names', `the certificate has ${uris.length} URI names, not one`)
  if (certificate.ca) throw new PeerError('ca_certificate', 'the certificate is a CA')
  const id = parseSpiffeId(uri.slice('URI:'.length))
  if (!id) throw new PeerError('not_spiffe', 'the URI name is no SPIFFE ID')
  if (id.trustDomain !== trustDomain) throw new PeerError('foreign_trust_domain', `${id.id} is of another trust domain`)
  return id
}
