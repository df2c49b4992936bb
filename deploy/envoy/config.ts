import { adminCluster, agentCluster, gatewayCluster, webCluster } from './clusters.ts'
import { floodGuard, onePeer, operatorGuard, requestId } from './filters.ts'
import { connectionManager, metricsManager, redirectManager } from './manager.ts'
import { type EdgeOptions, socketAddress, type } from './options.ts'
import { downstreamTls } from './tls.ts'

const CONNECTIONS_MAX = 20_000
const alpn = ['h2', 'http/1.1']

const listener = (name: string, address: object, transport: object | undefined, manager: object): object => ({
  name,
  stat_prefix: name,
  address,
  per_connection_buffer_limit_bytes: 262_144,
  listener_filters_timeout: '5s',
  filter_chains: [
    { ...(transport && { transport_socket: transport }), transport_socket_connect_timeout: '5s', filters: [manager] },
  ],
})

function listeners(options: EdgeOptions): object[] {
  const { ports, publicCertificate, identity, operatorNetworks, internalCallers, uploads } = options
  const web = options.web !== undefined
  const at = (port: number): object => socketAddress(options.address, port)
  const base = [requestId, floodGuard(options.flood)]
  const people = downstreamTls(publicCertificate, { alpn })
  const onPublic = operatorGuard(options.operatorsOnPublic ? operatorNetworks : [])
  const mesh = connectionManager({
    name: 'mesh',
    filters: [onePeer, ...base, operatorGuard([])],
    uploads,
    more: { forward_client_cert_details: 'SANITIZE_SET', set_current_client_cert_details: { uri: true } },
  })
  return [
    listener(
      'public',
      at(ports.public),
      people,
      connectionManager({ name: 'public', filters: [...base, onPublic], uploads, web }),
    ),
    // Not 'admin': that is what Envoy's own administration is called in its metrics.
    listener(
      'operators',
      at(ports.admin),
      people,
      connectionManager({ name: 'operators', filters: [...base, operatorGuard(operatorNetworks)], uploads, web }),
    ),
    listener('plain', at(ports.plain), undefined, redirectManager()),
    listener(
      'metrics',
      socketAddress(options.metricsAddress ?? options.address, ports.metrics),
      undefined,
      metricsManager(),
    ),
    ...(internalCallers.length === 0
      ? []
      : [listener('mesh', at(ports.mesh), downstreamTls(identity, { alpn, peers: internalCallers }), mesh)]),
  ]
}

/** The whole configuration of Envoy, the same for every way of running; `options` hold what differs. */
export function edgeConfig(options: EdgeOptions): object {
  const { ports, agentSocket } = options
  return {
    node: { id: 'edge', cluster: 'bitka' },
    admin: { address: socketAddress('127.0.0.1', ports.envoyAdmin) },
    static_resources: {
      listeners: listeners(options),
      clusters: [
        gatewayCluster('gateway', options, 'http'),
        gatewayCluster('gateway_grpc', options, 'grpc'),
        adminCluster(ports.envoyAdmin),
        ...(options.web === undefined ? [] : [webCluster(options, options.web)]),
        ...(agentSocket === undefined ? [] : [agentCluster(agentSocket)]),
      ],
    },
    overload_manager: {
      resource_monitors: [
        {
          name: 'envoy.resource_monitors.global_downstream_max_connections',
          typed_config: {
            ...type('envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig'),
            max_active_downstream_connections: CONNECTIONS_MAX,
          },
        },
      ],
    },
  }
}
