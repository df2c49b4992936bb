import { noBodyLimit, UPLOAD_BYTES_MAX } from './filters.ts'
import { type } from './options.ts'
import { apiMatches, webRoutes } from './web.ts'

const STREAM_PATH = '/v1/marketdata/stream'
const GRPC_CONTENT = '^application/grpc(\\+proto|\\+json|;.*)?$'

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

/** Files: they flow through, and 413 ends what is larger than they may be. */
const upload = (path: string): object => ({
  match: { path },
  route: { cluster: 'gateway', timeout: '60s' },
  typed_per_filter_config: {
    ...noBodyLimit.typed_per_filter_config,
    'envoy.filters.http.body_size_limit': { ...type('envoy.config.route.v3.FilterConfig'), config: {} },
  },
})

/** Stops an upload that is too large, without gathering it first; off but on routes of files. */
export const uploadLimit = {
  name: 'envoy.filters.http.body_size_limit',
  disabled: true,
  typed_config: {
    ...type('envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit'),
    max_request_bytes: UPLOAD_BYTES_MAX,
  },
}

export type RouteOptions = {
  /** Paths that take files. */
  uploads?: readonly string[]
  /** True: what is not the gateway's is the page's. */
  web?: boolean
}

/** Where requests go, the same on every listener. */
export function routes({ uploads = [], web = false }: RouteOptions): object[] {
  const rest = { cluster: 'gateway', timeout: '15s', retry_policy: retryPolicy }
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
    ...uploads.map(upload),
    {
      match: {
        prefix: '/bitka.',
        headers: [{ name: 'content-type', string_match: { prefix: 'application/' } }],
      },
      // Streams of Connect and gRPC-Web last; the gateway has its own deadline for the rest.
      route: { cluster: 'gateway', timeout: '0s', idle_timeout: '120s', retry_policy: retryPolicy },
    },
    ...(web ? apiMatches().map((match) => ({ match, route: rest })) : []),
    ...(web ? webRoutes() : []),
    { match: { prefix: '/' }, route: rest },
  ]
}
