/**
 * Where Envoy gets a certificate and its roots from: files that are swapped whole, or the SPIRE agent. For files, `watch` is
 * the folder in which something is moved when they change, and `secretsDir` where the files that name them are (`sdsFiles`).
 */
export type CertificateSource =
  | {
      kind: 'files'
      /** What metrics call it. */
      name: string
      certFile: string
      keyFile: string
      /** Roots; only where the other side has to show a certificate. */
      caFile?: string
      watch: string
      caWatch?: string
      secretsDir?: string
    }
  | { kind: 'sds'; id: string; trustDomain: string }

const type = (name: string): { '@type': string } => ({ '@type': `type.googleapis.com/${name}` })
const TLS = 'envoy.extensions.transport_sockets.tls.v3'

const sdsOverAgent = {
  resource_api_version: 'V3',
  api_config_source: {
    api_type: 'GRPC',
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: 'spire_agent' } }],
  },
}

const params = { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' }

/** Whom the other side must be: exactly one of these SPIFFE IDs. */
const oneOf = (ids: readonly string[]): object[] =>
  ids.map((exact) => ({ san_type: 'URI', matcher: { exact, ignore_case: false } }))

/** The certificate that we show, and how the other side's is checked when `peers` names who it may be. */
function common(source: CertificateSource, peers: readonly string[] | undefined, alpn: readonly string[]): object {
  const base = { tls_params: params, alpn_protocols: alpn }
  if (source.kind === 'sds') {
    return {
      ...base,
      tls_certificate_sds_secret_configs: [{ name: source.id, sds_config: sdsOverAgent }],
      ...(peers && {
        combined_validation_context: {
          default_validation_context: { match_typed_subject_alt_names: oneOf(peers) },
          validation_context_sds_secret_config: {
            name: `spiffe://${source.trustDomain}`,
            sds_config: sdsOverAgent,
          },
        },
      }),
    }
  }
  // The folder is watched, not this file, which never changes: so an Envoy that was here before its certificate takes it up.
  const secret = (name: string, watch: string, file = 'certificate'): object => ({
    name,
    sds_config: {
      resource_api_version: 'V3',
      path_config_source: { path: sdsFile(source, file), watched_directory: { path: watch } },
    },
  })
  return {
    ...base,
    tls_certificate_sds_secret_configs: [secret(source.name, source.watch)],
    ...(peers && {
      combined_validation_context: {
        default_validation_context: { match_typed_subject_alt_names: oneOf(peers) },
        validation_context_sds_secret_config: secret('roots', source.caWatch ?? source.watch, 'roots'),
      },
    }),
  }
}

/** The file that tells Envoy which files a secret is read from. */
const sdsFile = ({ watch, secretsDir = watch }: { watch: string; secretsDir?: string }, name: string): string =>
  `${secretsDir}/envoy-${name}.yaml`

/** What is in those files, by path. */
export function sdsFiles(source: CertificateSource): Map<string, object> {
  if (source.kind === 'sds') return new Map()
  const { name: certificate, certFile, keyFile, caFile, watch, caWatch = watch } = source
  const resource = (name: string, content: object): object => ({
    resources: [{ ...type(`${TLS}.Secret`), name, ...content }],
  })
  return new Map([
    [
      sdsFile(source, 'certificate'),
      resource(certificate, {
        tls_certificate: {
          certificate_chain: { filename: certFile },
          private_key: { filename: keyFile },
          watched_directory: { path: watch },
        },
      }),
    ],
    ...(caFile === undefined
      ? []
      : [
          [
            sdsFile(source, 'roots'),
            resource('roots', {
              validation_context: { trusted_ca: { filename: caFile }, watched_directory: { path: caWatch } },
            }),
          ] as const,
        ]),
  ])
}

/** A server's side. With `peers` a client must show the certificate of one of them. */
export const downstreamTls = (
  source: CertificateSource,
  options: { peers?: readonly string[]; alpn: readonly string[] },
): object => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: {
    ...type(`${TLS}.DownstreamTlsContext`),
    common_tls_context: common(source, options.peers, options.alpn),
    ...(options.peers && { require_client_certificate: true }),
    // A resumed session would not show its certificate again.
    ...(options.peers && { disable_stateless_session_resumption: true }),
  },
})

/** A client's side: who answers must be `peer`. */
export const upstreamTls = (source: CertificateSource, peer: string, alpn: readonly string[]): object => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: {
    ...type(`${TLS}.UpstreamTlsContext`),
    common_tls_context: common(source, [peer], alpn),
  },
})
