import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { edgeConfig } from './config.ts'
import { operatorPath } from './filters.ts'
import { operatorRpcPaths } from './operator-methods.ts'
import { edgePorts, render, targets } from './render.ts'

const here = dirname(fileURLToPath(import.meta.url))

// biome-ignore lint/suspicious/noExplicitAny: a test looks into a configuration that it has no type for
type Any = any

const configOf = (target: (typeof targets)[number], options = {}): Any =>
  parse(render(target, options).get(`${target}.yaml`) ?? '')
const listenerOf = (config: Any, name: string): Any =>
  config.static_resources.listeners.find((one: Any) => one.name === name)
const managerOf = (config: Any, name: string): Any => listenerOf(config, name).filter_chains[0].filters[0].typed_config
const clusterOf = (config: Any, name: string): Any =>
  config.static_resources.clusters.find((one: Any) => one.name === name)
const tlsOf = (config: Any, name: string): Any =>
  listenerOf(config, name).filter_chains[0].transport_socket.typed_config.common_tls_context

describe('the rendered files', () => {
  it.each(targets)('of %s are those of the template: node dist/envoy.mjs render', (target) => {
    for (const [name, text] of render(target)) expect(readFileSync(join(here, 'rendered', name), 'utf8')).toBe(text)
  })
})

describe.each(targets)('in %s', (target) => {
  const config = configOf(target)

  it('Envoy has its identity from the SPIRE agent, by its SPIFFE ID', () => {
    const agent = clusterOf(config, 'spire_agent')
    expect(agent.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address).toEqual({
      pipe: { path: '/run/spire/agent/api.sock' },
    })
    expect(agent.typed_extension_protocol_options).toMatchObject({
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        explicit_http_config: { http2_protocol_options: {} },
      },
    })
    const overAgent = {
      resource_api_version: 'V3',
      api_config_source: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'spire_agent' } }],
      },
    }
    const expected = (peer: string) => ({
      tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
      tls_certificate_sds_secret_configs: [{ name: 'spiffe://bitka.local/ns/bitka/sa/envoy', sds_config: overAgent }],
      combined_validation_context: {
        default_validation_context: {
          match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: peer, ignore_case: false } }],
        },
        validation_context_sds_secret_config: { name: 'spiffe://bitka.local', sds_config: overAgent },
      },
    })
    for (const name of ['gateway', 'gateway_grpc'])
      expect(clusterOf(config, name).transport_socket.typed_config.common_tls_context).toMatchObject(
        expected('spiffe://bitka.local/ns/bitka/sa/gateway'),
      )
    expect(tlsOf(config, 'mesh')).toMatchObject(expected('spiffe://bitka.local/ns/bitka/sa/internal-caller'))
    const mesh = listenerOf(config, 'mesh').filter_chains[0].transport_socket.typed_config
    expect(mesh.require_client_certificate).toBe(true)
    expect(mesh.disable_stateless_session_resumption).toBe(true)
  })

  it('the public certificate is read from files that are swapped', () => {
    for (const name of ['public', 'operators'])
      expect(tlsOf(config, name).tls_certificate_sds_secret_configs).toEqual([
        {
          name: 'public',
          sds_config: {
            resource_api_version: 'V3',
            path_config_source: {
              path: '/etc/envoy/envoy-certificate.yaml',
              watched_directory: { path: '/etc/bitka/public-tls' },
            },
          },
        },
      ])
    const [secret] = parse(render(target).get('envoy-certificate.yaml') ?? '').resources
    expect(secret).toMatchObject({
      name: 'public',
      tls_certificate: {
        certificate_chain: { filename: '/etc/bitka/public-tls/tls.crt' },
        private_key: { filename: '/etc/bitka/public-tls/tls.key' },
        watched_directory: { path: '/etc/bitka/public-tls' },
      },
    })
  })

  it('every listener but those of redirects and probes speaks TLS, and administration is on loopback', () => {
    const plain = config.static_resources.listeners.filter((one: Any) => !one.filter_chains[0].transport_socket)
    expect(plain.map(({ name }: Any) => name)).toEqual(['plain', 'metrics'])
    expect(config.admin.address.socket_address).toEqual({ address: '127.0.0.1', port_value: 8901 })
    const at = Object.fromEntries(
      config.static_resources.listeners.map((one: Any) => [one.name, one.address.socket_address.port_value]),
    )
    expect(at).toEqual({ public: 8443, plain: 8480, operators: 8445, mesh: 8444, metrics: 9190 })
  })

  it('a gateway that is not there is found out by health checks and by its failures', () => {
    const gateway = clusterOf(config, 'gateway')
    expect(gateway.health_checks).toEqual([
      {
        timeout: '2s',
        interval: '1s',
        no_traffic_interval: '1s',
        unhealthy_threshold: 1,
        healthy_threshold: 1,
        http_health_check: { path: '/healthz' },
      },
    ])
    for (const cluster of [gateway, clusterOf(config, 'gateway_grpc')]) {
      expect(cluster).toMatchObject({ type: 'STRICT_DNS', lb_policy: 'LEAST_REQUEST' })
      expect(cluster.outlier_detection).toMatchObject({
        consecutive_local_origin_failure: 3,
        split_external_local_origin_errors: true,
        enforcing_consecutive_5xx: 0,
        enforcing_consecutive_gateway_failure: 0,
        max_ejection_percent: 50,
      })
      expect(cluster.circuit_breakers.thresholds[0].max_connections).toBeGreaterThan(0)
    }
  })

  it("nobody does an operator's work on the public listener", () => {
    const guard = managerOf(config, 'public').http_filters.find(({ name }: Any) => name.endsWith('.rbac'))
    expect(guard.typed_config.rules.policies.operators.principals).toEqual([{ any: true }])
  })

  it('only who may be seen by the world is served as the world sees it', () => {
    const names = managerOf(config, 'metrics').route_config.virtual_hosts[0].routes.map(({ match }: Any) => match.path)
    expect(names).toEqual(['/livez', '/readyz', '/metrics'])
  })
})

it.each(['deploy/compose.yaml', 'k8s/base/envoy.yaml'])(
  'in %s clients are told to leave at once before a stop',
  (file) => {
    const text = readFileSync(join(here, '../..', file), 'utf8')
    expect(text).toContain('--drain-strategy, immediate')
    expect(text).toContain('[bash, /etc/envoy/drain.sh]')
  },
)

describe('what may be set', () => {
  it("is the trust domain, the callers and the operators' networks", () => {
    const config = configOf('k8s', {
      trustDomain: 'example.org',
      internalCallers: ['spiffe://example.org/x'],
      operatorNetworks: ['198.51.100.0/24', '2001:db8::1'],
    })
    expect(tlsOf(config, 'mesh').tls_certificate_sds_secret_configs[0].name).toBe(
      'spiffe://example.org/ns/bitka/sa/envoy',
    )
    const guard = managerOf(config, 'operators').http_filters.find(({ name }: Any) => name.endsWith('.rbac'))
    expect(guard.typed_config.rules.policies.operators.principals[0].not_id.or_ids.ids).toEqual([
      { direct_remote_ip: { address_prefix: '198.51.100.0', prefix_len: 24 } },
      { direct_remote_ip: { address_prefix: '2001:db8::1', prefix_len: 128 } },
    ])
  })
  it('without callers there is no mesh listener', () => {
    expect(listenerOf(configOf('k8s', { internalCallers: [] }), 'mesh')).toBeUndefined()
  })
  it('with a page, its files come from its server and the API stays with the gateway', () => {
    const config = configOf('k8s', { web: { host: 'web', port: 7090 } })
    expect(clusterOf(config, 'web').transport_socket.typed_config.common_tls_context).toMatchObject({
      combined_validation_context: {
        default_validation_context: {
          match_typed_subject_alt_names: [{ matcher: { exact: 'spiffe://bitka.local/ns/bitka/sa/web' } }],
        },
      },
    })
    const { routes } = managerOf(config, 'public').route_config.virtual_hosts[0]
    const first = routes.findIndex((route: Any) => route.route.cluster === 'web')
    const before = routes.slice(0, first).map(({ match }: Any) => match.prefix ?? match.path)
    expect(before).toEqual(expect.arrayContaining(['/v1/', '/bitka.', '/openapi.json', '/docs', '/readyz']))
    expect(managerOf(config, 'mesh').route_config.virtual_hosts[0].routes).not.toContainEqual(
      expect.objectContaining({ route: expect.objectContaining({ cluster: 'web' }) }),
    )
  })
})

describe("operators' methods", () => {
  it('are all those of the contracts', () => {
    const proto = join(here, '../../proto')
    const bindings = readdirSync(proto, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.proto'))
      .flatMap(
        (name) => readFileSync(join(proto, name), 'utf8').match(/(get|put|post|patch|delete): "\/v1\/admin\//g) ?? [],
      )
    expect(operatorRpcPaths()).toHaveLength(bindings.length)
  })
  it("have a REST path that no spelling hides and that is nobody else's", () => {
    const regex = new RegExp(`^${operatorPath('/v1/admin').replace('(?i)', '')}$`, 'i')
    for (const path of ['/v1/admin', '/v1/admin/x', '/V1//%61dmin/x', '/v1/%2e/admin', '/v1\\admin'])
      expect(path).toMatch(regex)
    for (const path of ['/v1/auth/login', '/v1/administrators', '/v1/ledger/assets', '/v1/orders/admin', '/v1'])
      expect(path).not.toMatch(regex)
  })
})

it('a listener has room for what others leave of it', () => {
  const config: Any = edgeConfig({
    ...{ trustDomain: 'bitka.local', address: '127.0.0.1', ports: edgePorts, gateways: [], operatorNetworks: [] },
    ...{ operatorsOnPublic: false, internalCallers: [], flood: { perSecond: 1, burst: 1 } },
    identity: { kind: 'sds', id: 'spiffe://bitka.local/x', trustDomain: 'bitka.local' },
    publicCertificate: { kind: 'sds', id: 'spiffe://bitka.local/x', trustDomain: 'bitka.local' },
  })
  expect(config.overload_manager.resource_monitors[0].typed_config.max_active_downstream_connections).toBe(20_000)
})
