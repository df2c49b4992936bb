import { accessLog } from './access-log.ts'
import { bodyLimit, router } from './filters.ts'
import { localReplies } from './local-replies.ts'
import { PUBLIC_HOST_VARIABLE, type } from './options.ts'
import { type RouteOptions, routes, uploadLimit } from './routes.ts'

const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'
const HEADER_KB_MAX = 16
const HEADERS_MAX = 100

/** What others said of a client's address; the gateway reads x-envoy-external-address, which is ours. */
const ADDRESS_HEADERS = [
  'x-forwarded-for',
  'forwarded',
  'x-real-ip',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-envoy-attempt-count',
]

/**
 * Whose word Envoy takes for x-envoy-external-address and the like. An empty list would mean everybody with a private address;
 * nobody has this one.
 */
const NOBODY = { cidr_ranges: [{ address_prefix: '255.255.255.255', prefix_len: 32 }] }

const manager = (config: object): object => ({
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: { ...type(MANAGER), ...config },
})

/** Header names go on as they were written. */
export const preserveCase = {
  header_key_format: {
    stateful_formatter: {
      name: 'preserve_case',
      typed_config: type('envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig'),
    },
  },
}

export type ManagerOptions = RouteOptions & {
  /** The listener's name, for logs and metrics. */
  name: string
  /** What every request passes before the limits of bodies and the router. */
  filters: readonly object[]
  /** More of its settings. */
  more?: object
}

/** The HTTP side of a listener that leads to the gateway. */
export function connectionManager({ name, filters, uploads, web, more = {} }: ManagerOptions): object {
  return manager({
    stat_prefix: name,
    codec_type: 'AUTO',
    access_log: [accessLog(name)],
    // Nobody before us may say what a client's address is.
    use_remote_address: true,
    xff_num_trusted_hops: 0,
    skip_xff_append: true,
    internal_address_config: NOBODY,
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
    http_protocol_options: preserveCase,
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
    local_reply_config: localReplies,
    upgrade_configs: [{ upgrade_type: 'websocket', filters: [...filters, router] }],
    http_filters: [...filters, bodyLimit, uploadLimit, router],
    route_config: {
      name,
      request_headers_to_remove: ADDRESS_HEADERS,
      virtual_hosts: [{ name: 'exchange', domains: ['*'], routes: routes({ uploads, web }) }],
    },
    ...more,
  })
}

/** Plain HTTP: every address is answered with the same address over TLS, on our own host name and no other. */
export const redirectManager = (): object =>
  manager({
    stat_prefix: 'plain',
    use_remote_address: true,
    internal_address_config: NOBODY,
    access_log: [accessLog('plain')],
    request_headers_timeout: '5s',
    max_request_headers_kb: HEADER_KB_MAX,
    common_http_protocol_options: { max_headers_count: HEADERS_MAX, idle_timeout: '10s' },
    route_config: {
      name: 'plain',
      virtual_hosts: [
        {
          name: 'everything',
          domains: ['*'],
          routes: [
            {
              match: { prefix: '/' },
              direct_response: { status: 308 },
              response_headers_to_add: [
                {
                  header: { key: 'Location', value: `https://%ENVIRONMENT(${PUBLIC_HOST_VARIABLE})%%REQ(:PATH)%` },
                  // In place of Envoy's own, which says what the client sent as host.
                  append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
                },
              ],
            },
          ],
        },
      ],
    },
    http_filters: [router],
  })

/** Probes and metrics: what of Envoy's own administration may be read over the network. */
export const metricsManager = (): object =>
  manager({
    stat_prefix: 'metrics',
    // The probe of compose is a line of bash.
    http_protocol_options: { accept_http_10: true },
    route_config: {
      name: 'metrics',
      virtual_hosts: [
        {
          name: 'metrics',
          domains: ['*'],
          routes: [
            { match: { path: '/livez' }, direct_response: { status: 200 } },
            { match: { path: '/readyz' }, route: { cluster: 'envoy_admin', prefix_rewrite: '/ready' } },
            { match: { path: '/metrics' }, route: { cluster: 'envoy_admin', prefix_rewrite: '/stats/prometheus' } },
          ].map((route) => ({
            ...route,
            match: { ...route.match, headers: [{ name: ':method', string_match: { exact: 'GET' } }] },
          })),
        },
      ],
    },
    http_filters: [router],
  })
