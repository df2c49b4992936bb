import { localReplies } from './local-replies.ts'
import { OPERATOR_PREFIX, operatorRpcPaths } from './operator-methods.ts'
import { type CertificateSource, downstreamTls, upstreamTls } from './tls.ts'

export type EdgeOptions = {
  trustDomain: string
  /** Envoy's own identity in the mesh. */
  identity: CertificateSource
  /** The certificate that people see. */
  publicCertificate: CertificateSource
  /** The one name of the exchange: where the plain port sends people. */
  publicHost: string
  /** The port that people see, where it is not 443. */
  publicPort: number
  /** Where the listeners are. */
  address: string
  ports: { public: number; plain: number; admin: number; mesh: number; envoyAdmin: number }
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
}

const type = (name: string): { '@type': string } => ({ '@type': `type.googleapis.com/${name}` })
const HTTP = 'envoy.extensions.filters.http'
const BODY_BYTES_MAX = 65_536
const UPLOAD_BYTES_MAX = 5 * 1024 * 1024
const HEADER_KB_MAX = 16
const HEADERS_MAX = 100
const STREAM_PATH = '/v1/marketdata/stream'
/** Routes that take files, streamed and up to 5 MiB. */
const uploadPaths: readonly string[] = []

const socketAddress = (address: string, port: number): object => ({
  socket_address: { address, port_value: port },
})

/** Ids are kept when they are UUIDs, as the gateway does; anything else gets a new one. */
const REQUEST_ID_LUA = `
local digits = "%x%x%x%x"
local uuid = "^" .. digits .. digits .. "%-" .. digits .. "%-" .. digits .. "%-" .. digits .. "%-" .. digits .. digits .. digits .. "$"
function envoy_on_request(handle)
  local id = handle:headers():get("x-request-id")
  if id == nil or string.match(id, uuid) then return end
  local fresh = string.gsub("xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx", "x", function()
    return string.format("%x", math.random(0, 15))
  end)
  handle:headers():replace("x-request-id", fresh)
end
`

const accessLog = (listener: string): object => ({
  name: 'envoy.access_loggers.stdout',
  typed_config: {
    ...type('envoy.extensions.access_loggers.stream.v3.StdoutAccessLog'),
    log_format: {
      json_format: {
        time: '%START_TIME%',
        listener,
        method: '%REQ(:METHOD)%',
        // Without the query, which may hold what is nobody's business.
        path: '%PATH(NQ:ORIG_OR_PATH)%',
        protocol: '%PROTOCOL%',
        status: '%RESPONSE_CODE%',
        flags: '%RESPONSE_FLAGS%',
        detail: '%RESPONSE_CODE_DETAILS%',
        bytes_in: '%BYTES_RECEIVED%',
        bytes_out: '%BYTES_SENT%',
        duration_ms: '%DURATION%',
        client_address: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
        peer: '%DOWNSTREAM_PEER_URI_SAN%',
        request_id: '%REQ(X-REQUEST-ID)%',
        trace_parent: '%REQ(TRACEPARENT)%',
        upstream: '%UPSTREAM_HOST%',
      },
    },
  },
})

const floodGuard = ({ perSecond, burst }: EdgeOptions['flood']): object => ({
  name: 'envoy.filters.http.local_ratelimit',
  typed_config: {
    ...type(`${HTTP}.local_ratelimit.v3.LocalRateLimit`),
    stat_prefix: 'flood',
    // The whole edge; a guard of last resort for this one process.
    token_bucket: { max_tokens: burst * 50, tokens_per_fill: perSecond * 50, fill_interval: '1s' },
    filter_enabled: { default_value: { numerator: 100, denominator: 'HUNDRED' }, runtime_key: 'bitka.flood' },
    filter_enforced: { default_value: { numerator: 100, denominator: 'HUNDRED' }, runtime_key: 'bitka.flood.enforced' },
    max_dynamic_descriptors: 100_000,
    rate_limits: [{ actions: [{ remote_address: {} }] }],
    descriptors: [
      {
        entries: [{ key: 'remote_address' }],
        token_bucket: { max_tokens: burst, tokens_per_fill: perSecond, fill_interval: '1s' },
      },
    ],
  },
})

const bodyLimit = {
  name: 'envoy.filters.http.buffer',
  typed_config: { ...type(`${HTTP}.buffer.v3.Buffer`), max_request_bytes: BODY_BYTES_MAX },
}
const noBodyLimit = {
  typed_per_filter_config: {
    'envoy.filters.http.buffer': { ...type(`${HTTP}.buffer.v3.BufferPerRoute`), disabled: true },
  },
}

const requestId = {
  name: 'envoy.filters.http.lua',
  typed_config: { ...type(`${HTTP}.lua.v3.Lua`), default_source_code: { inline_string: REQUEST_ID_LUA } },
}

const router = {
  name: 'envoy.filters.http.router',
  typed_config: { ...type(`${HTTP}.router.v3.Router`), suppress_envoy_headers: true },
}

/** Operators' addresses: in REST, and the same methods in the RPC dialects. */
const operatorPermission = (): object => ({
  or_rules: {
    rules: [
      // However it is written: the gateway answers 404 to what is not plainly spelt, and this must not be fooled either.
      { url_path: { path: { safe_regex: { regex: `(?i)/+v1/+(a|%61|%41)[^/]*(/.*)?` } } } },
      { url_path: { path: { prefix: `${OPERATOR_PREFIX}/` } } },
      ...operatorRpcPaths().map((exact) => ({ url_path: { path: { exact } } })),
    ],
  },
})

const cidr = (text: string): object => {
  const [address_prefix, length] = text.split('/')
  return { address_prefix, prefix_len: Number(length ?? (text.includes(':') ? 128 : 32)) }
}

/** Refuses operators' addresses to everybody who is not in an operators' network. */
const operatorGuard = (networks: readonly string[]): object => ({
  name: 'envoy.filters.http.rbac',
  typed_config: {
    ...type(`${HTTP}.rbac.v3.RBAC`),
    rules: {
      action: 'DENY',
      policies: {
        operators: {
          permissions: [operatorPermission()],
          principals:
            networks.length === 0
              ? [{ any: true }]
              : [{ not_id: { or_ids: { ids: networks.map((net) => ({ direct_remote_ip: cidr(net) })) } } }],
        },
      },
    },
  },
})

/** Only requests that never reached the gateway are tried again: it is safe whatever they are. */
const retryPolicy = {
  retry_on: 'connect-failure,refused-stream,reset-before-request',
  num_retries: 3,
  retry_back_off: { base_interval: '0.05s', max_interval: '0.5s' },
  host_selection_retry_max_attempts: 3,
  retry_host_predicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      typed_config: type('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate'),
    },
  ],
}

const GRPC_CONTENT = '^application/grpc(\\+proto|\\+json|;.*)?$'

function routes(): object[] {
  return [
    {
      match: { path: STREAM_PATH },
      route: { cluster: 'gateway', timeout: '0s', idle_timeout: '120s', retry_policy: retryPolicy },
      ...noBodyLimit,
    },
    {
      // gRPC proper; gRPC-Web and Connect go over HTTP/1.1 with everything else.
      match: {
        prefix: '/',
        headers: [{ name: 'content-type', string_match: { safe_regex: { regex: GRPC_CONTENT } } }],
      },
      route: {
        cluster: 'gateway_grpc',
        timeout: '0s',
        max_stream_duration: { grpc_timeout_header_max: '0s' },
        retry_policy: retryPolicy,
      },
      ...noBodyLimit,
    },
    ...uploadPaths.map((path) => ({
      match: { path },
      route: { cluster: 'gateway', timeout: '60s' },
      request_body_buffer_limit: UPLOAD_BYTES_MAX,
      ...noBodyLimit,
    })),
    {
      match: {
        prefix: '/bitka.',
        headers: [{ name: 'content-type', string_match: { prefix: 'application/' } }],
      },
      // Streams of Connect and gRPC-Web last; the gateway has its own deadline for the rest.
      route: { cluster: 'gateway', timeout: '0s', idle_timeout: '120s', retry_policy: retryPolicy },
    },
    { match: { prefix: '/' }, route: { cluster: 'gateway', timeout: '15s', retry_policy: retryPolicy } },
  ]
}

function connectionManager(listener: string, filters: object[], more: object = {}): object {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      ...type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
      stat_prefix: listener,
      codec_type: 'AUTO',
      access_log: [accessLog(listener)],
      // Nobody before us may say what a client's address is.
      use_remote_address: true,
      xff_num_trusted_hops: 0,
      skip_xff_append: true,
      internal_address_config: { cidr_ranges: [] },
      generate_request_id: true,
      preserve_external_request_id: true,
      request_id_extension: {
        typed_config: {
          ...type('envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig'),
          pack_trace_reason: false,
        },
      },
      server_header_transformation: 'PASS_THROUGH',
      normalize_path: false,
      merge_slashes: false,
      path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
      max_request_headers_kb: HEADER_KB_MAX,
      common_http_protocol_options: {
        max_headers_count: HEADERS_MAX,
        idle_timeout: '75s',
        headers_with_underscores_action: 'ALLOW',
      },
      http_protocol_options: {
        header_key_format: {
          stateful_formatter: {
            name: 'preserve_case',
            typed_config: type('envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig'),
          },
        },
      },
      http2_protocol_options: {
        max_concurrent_streams: 100,
        initial_stream_window_size: 65_536,
        initial_connection_window_size: 1_048_576,
      },
      request_headers_timeout: '5s',
      request_timeout: '11s',
      stream_idle_timeout: '120s',
      drain_timeout: '5s',
      delayed_close_timeout: '1s',
      local_reply_config: localReplies(),
      upgrade_configs: [
        { upgrade_type: 'websocket', filters: [...filters.filter((one) => one !== bodyLimit), router] },
      ],
      http_filters: [...filters, router],
      route_config: {
        name: listener,
        virtual_hosts: [{ name: 'exchange', domains: ['*'], routes: routes() }],
      },
      ...more,
    },
  }
}

const listener = (name: string, address: object, transport: object | undefined, manager: object): object => ({
  name,
  address,
  per_connection_buffer_limit_bytes: 262_144,
  listener_filters_timeout: '5s',
  filter_chains: [
    { ...(transport && { transport_socket: transport }), transport_socket_connect_timeout: '5s', filters: [manager] },
  ],
})

function gatewayCluster(name: string, options: EdgeOptions, pick: 'http' | 'grpc'): object {
  const { trustDomain, identity, gateways } = options
  const http2 = pick === 'grpc'
  return {
    name,
    type: 'STRICT_DNS',
    dns_lookup_family: 'V4_PREFERRED',
    connect_timeout: '1s',
    lb_policy: 'LEAST_REQUEST',
    load_assignment: {
      cluster_name: name,
      endpoints: [
        {
          lb_endpoints: gateways.map((gateway) => ({
            endpoint: { address: socketAddress(gateway.host, gateway[pick]) },
          })),
        },
      ],
    },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        ...type('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
        explicit_http_config: http2
          ? { http2_protocol_options: { max_concurrent_streams: 100 } }
          : {
              http_protocol_options: {
                header_key_format: {
                  stateful_formatter: {
                    name: 'preserve_case',
                    typed_config: type(
                      'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig',
                    ),
                  },
                },
              },
            },
        // Below the 5 s after which the gateway closes an idle connection.
        common_http_protocol_options: { idle_timeout: '4s' },
      },
    },
    transport_socket: upstreamTls(
      identity,
      `spiffe://${trustDomain}/ns/bitka/sa/gateway`,
      http2 ? ['h2'] : ['http/1.1'],
    ),
    ...(pick === 'http' && {
      health_checks: [
        {
          timeout: '2s',
          interval: '1s',
          no_traffic_interval: '1s',
          unhealthy_threshold: 1,
          healthy_threshold: 1,
          http_health_check: { path: '/healthz' },
        },
      ],
    }),
    outlier_detection: {
      consecutive_local_origin_failure: 3,
      split_external_local_origin_errors: true,
      // Answers of the gateway itself are its business: a 503 of one market is no reason to take it out.
      enforcing_consecutive_5xx: 0,
      enforcing_consecutive_gateway_failure: 0,
      enforcing_success_rate: 0,
      interval: '1s',
      base_ejection_time: '1s',
      max_ejection_percent: 50,
    },
    circuit_breakers: {
      thresholds: [{ max_connections: 4_096, max_pending_requests: 4_096, max_requests: 8_192, max_retries: 64 }],
    },
  }
}

/** The whole configuration of Envoy, the same for every way of running; `options` hold what differs. */
export function edgeConfig(options: EdgeOptions): object {
  const { address, ports, publicCertificate, identity, operatorNetworks, internalCallers } = options
  const alpn = ['h2', 'http/1.1']
  const onPublic = operatorGuard(options.operatorsOnPublic ? operatorNetworks : [])
  const base = [requestId, floodGuard(options.flood)]
  const listeners = [
    listener(
      'public',
      socketAddress(address, ports.public),
      downstreamTls(publicCertificate, { alpn }),
      connectionManager('public', [...base, onPublic, bodyLimit]),
    ),
    listener(
      'admin',
      socketAddress(address, ports.admin),
      downstreamTls(publicCertificate, { alpn }),
      connectionManager('admin', [...base, operatorGuard(operatorNetworks), bodyLimit]),
    ),
    listener('plain', socketAddress(address, ports.plain), undefined, redirectManager(options)),
  ]
  if (internalCallers.length > 0) {
    listeners.push(
      listener(
        'mesh',
        socketAddress(address, ports.mesh),
        downstreamTls(identity, { alpn, peers: internalCallers }),
        connectionManager('mesh', [...base, operatorGuard([]), bodyLimit], {
          forward_client_cert_details: 'SANITIZE_SET',
          set_current_client_cert_details: { uri: true },
        }),
      ),
    )
  }
  const agent =
    options.agentSocket === undefined
      ? []
      : [
          {
            name: 'spire_agent',
            connect_timeout: '1s',
            typed_extension_protocol_options: {
              'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
                ...type('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
                explicit_http_config: { http2_protocol_options: {} },
              },
            },
            load_assignment: {
              cluster_name: 'spire_agent',
              endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: options.agentSocket } } } }] }],
            },
          },
        ]
  return {
    node: { id: 'edge', cluster: 'bitka' },
    admin: { address: socketAddress('127.0.0.1', ports.envoyAdmin) },
    static_resources: {
      listeners,
      clusters: [gatewayCluster('gateway', options, 'http'), gatewayCluster('gateway_grpc', options, 'grpc'), ...agent],
    },
    overload_manager: {
      resource_monitors: [
        {
          name: 'envoy.resource_monitors.global_downstream_max_connections',
          typed_config: {
            ...type('envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig'),
            max_active_downstream_connections: 20_000,
          },
        },
      ],
    },
  }
}

/** Plain HTTP: every address is answered with the same address over TLS, on our own host name and no other. */
const redirectManager = ({ publicHost, publicPort }: EdgeOptions): object => ({
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: {
    ...type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'plain',
    access_log: [accessLog('plain')],
    request_headers_timeout: '5s',
    max_request_headers_kb: HEADER_KB_MAX,
    route_config: {
      name: 'plain',
      virtual_hosts: [
        {
          name: 'everything',
          domains: ['*'],
          routes: [
            {
              match: { prefix: '/' },
              redirect: {
                https_redirect: true,
                host_redirect: publicHost,
                port_redirect: publicPort,
                response_code: 'PERMANENT_REDIRECT',
              },
            },
          ],
        },
      ],
    },
    http_filters: [router],
  },
})
