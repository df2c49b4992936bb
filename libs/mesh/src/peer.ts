import type { PeerCertificate } from 'node:tls'
import { type ParsedSpiffeId, parseSpiffeId } from './names.ts'

/** Why a peer's certificate names nobody that we talk to. For the log: a peer is told less. */
export class PeerError extends Error {
  override name = 'PeerError'
}

type Peer = Pick<PeerCertificate, 'subjectaltname' | 'ca'>

/**
 * The SPIFFE ID of a certificate whose chain TLS has verified: exactly one URI name, no CA, our own trust domain.
 * @throws PeerError
 */
export function peerId(certificate: Peer, trustDomain: string): ParsedSpiffeId {
  const names = certificate.subjectaltname ?? ''
  // Node quotes a name that holds separators; no SPIFFE ID does, so a quoted one is somebody trying something.
  if (names.includes('"')) throw new PeerError('a name in the certificate is not plain text')
  const uris = names.split(', ').filter((name) => name.startsWith('URI:'))
  const [uri] = uris
  if (uri === undefined || uris.length > 1) throw new PeerError(`the certificate has ${uris.length} URI names, not one`)
  if (certificate.ca) throw new PeerError('the certificate is a CA')
  const id = parseSpiffeId(uri.slice('URI:'.length))
  if (!id) throw new PeerError('the URI name is no SPIFFE ID')
  if (id.trustDomain !== trustDomain) throw new PeerError(`${id.id} is of another trust domain`)
  return id
}
