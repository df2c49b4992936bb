import { preserveCase } from './manager.ts'
import { type EdgeOptions, socketAddress, type } from './options.ts'
import { upstreamTls } from './tls.ts'

const HTTP_PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

const endpoints = (cluster_name: string, addresses: readonly object[]): object => ({
  cluster_name,
  endpoints: [{ lb_endpoints: addresses.map((address) => ({ endpoint: { address } })) }],
})

const protocol = (options: object): object => ({
  typed_extension_protocol_options: {
    [HTTP_PROTOCOL_OPTIONS]: { ...type(HTTP_PROTOCOL_OPTIONS), ...options },
  },
})

/** The gateway's replicas, by HTTP/1.1 or by HTTP/2, over mutual TLS with Envoy's identity. */
export function gatewayCluster(
  name: string,
  { trustDomain, identity, gateways }: EdgeOptions,
  pick: 'http' | 'grpc',
): object {
  const http2 = pick === 'grpc'
  return {
    name,
    type: 'STRICT_DNS',
    dns_lookup_family: 'V4_PREFERRED',
    connect_timeout: '1s',
    lb_policy: 'LEAST_REQUEST',
    load_assignment: endpoints(
      name,
      gateways.map((gateway) => socketAddress(gateway.host, gateway[pick])),
    ),
    ...protocol({
      explicit_http_config: http2
        ? { http2_protocol_options: { max_concurrent_streams: 100 } }
        : { http_protocol_options: preserveCase },
      // Below the 5 s after which the gateway closes an idle connection.
      common_http_protocol_options: { idle_timeout: '4s' },
    }),
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

/** The server of the web page's files. */
export const webCluster = (
  { trustDomain, identity }: EdgeOptions,
  { host, port }: { host: string; port: number },
): object => ({
  name: 'web',
  type: 'STRICT_DNS',
  dns_lookup_family: 'V4_PREFERRED',
  connect_timeout: '1s',
  load_assignment: endpoints('web', [socketAddress(host, port)]),
  transport_socket: upstreamTls(identity, `spiffe://${trustDomain}/ns/bitka/sa/web`, ['http/1.1']),
})

/** The SPIRE agent, over its Unix socket. */
export const agentCluster = (socket: string): object => ({
  name: 'spire_agent',
  connect_timeout: '1s',
  ...protocol({ explicit_http_config: { http2_protocol_options: {} } }),
  load_assignment: endpoints('spire_agent', [{ pipe: { path: socket } }]),
})

/** Envoy's own administration, for the listener of probes and metrics. */
export const adminCluster = (port: number): object => ({
  name: 'envoy_admin',
  connect_timeout: '1s',
  load_assignment: endpoints('envoy_admin', [socketAddress('127.0.0.1', port)]),
})
