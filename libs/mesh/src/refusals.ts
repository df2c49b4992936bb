import type { EventEmitter } from 'node:events'
import type { TLSSocket } from 'node:tls'

/**
 * Why somebody was refused at a port of the mesh. By TLS: no_certificate, expired, not_yet_valid, unknown_authority (no chain to a
 * root that we trust), tls_version (older than 1.3), plaintext (no TLS at all), handshake (anything else). By the name in a good
 * certificate: uri_names (none, or more than one), not_spiffe, foreign_trust_domain, ca_certificate. By the policy: not_permitted.
 */
export const refusalReasons = [
  'no_certificate',
  'expired',
  'not_yet_valid',
  'unknown_authority',
  'tls_version',
  'plaintext',
  'handshake',
  'uri_names',
  'not_spiffe',
  'foreign_trust_domain',
  'ca_certificate',
  'not_permitted',
] as const
export type RefusalReason = (typeof refusalReasons)[number]

/** What OpenSSL says of a chain that it does not accept, and of a handshake that does not come about. */
const reasons: Readonly<Record<string, RefusalReason>> = {
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not_yet_valid',
  UNABLE_TO_GET_ISSUER_CERT: 'unknown_authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown_authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown_authority',
  CERT_SIGNATURE_FAILURE: 'unknown_authority',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'unknown_authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'unknown_authority',
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'no_certificate',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'tls_version',
  ERR_SSL_HTTP_REQUEST: 'plaintext',
  ERR_SSL_WRONG_VERSION_NUMBER: 'plaintext',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'plaintext',
  ERR_SSL_BAD_RECORD_TYPE: 'plaintext',
}

/** The reason of a handshake that failed; undefined for a peer that went away by itself, as port scans and probes do. */
export function handshakeRefusal(
  error: Error & { code?: string },
  authorizationError: string | undefined,
): RefusalReason | undefined {
  if (authorizationError !== undefined) return reasons[authorizationError] ?? 'handshake'
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return undefined
  return reasons[error.code ?? ''] ?? 'handshake'
}

/** Tells of each peer that a TLS server refuses before there is a connection. */
export function watchHandshakes(server: EventEmitter, refused: (reason: RefusalReason) => void): void {
  server.on('tlsClientError', (error: Error & { code?: string }, socket: TLSSocket) => {
    // Node says Error; what it holds is OpenSSL's code.
    const { authorizationError } = socket
    const reason = handshakeRefusal(error, authorizationError ? String(authorizationError) : undefined)
    if (reason !== undefined) refused(reason)
  })
}
