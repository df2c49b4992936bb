import { kafkaLimits } from '@bitka/events'
import { spiffeId } from '@bitka/mesh'

/** What differs between the places where a broker runs. */
export type BrokerOptions = {
  trustDomain: string
  /** PEM files with the broker's PKCS#8 key and certificate chain; replaced by whoever issues them, read anew for each connection. */
  svidFiles: readonly string[]
  /** PEM file with the roots to trust. */
  bundleFile: string
  dataDir: string
  /** The address to listen on. */
  host: string
  /** Mutual TLS for clients. */
  port: number
  /** host:port that clients are told. */
  advertised: string
  /** host:port where the controller listens, and where the broker finds it: mutual TLS too. */
  controller: string
}

/** Workloads that no rule holds: the broker, which is its own client, and the program that makes topics and rules. */
const superUsers = ['kafka', 'kafka-admin'] as const

/** The principal of a workload, as SpiffePrincipalBuilder makes it of a certificate. */
export const principalOf = (trustDomain: string, name: string): string => `User:${spiffeId(trustDomain, name)}`

/** Who is who and may do what: the same wherever brokers run, so an operator that writes the rest adds it to a listener. */
export function identityProperties({
  trustDomain,
  svidFiles,
  bundleFile,
}: Pick<BrokerOptions, 'trustDomain' | 'svidFiles' | 'bundleFile'>): Record<string, string> {
  return {
    'spiffe.trust.domain': trustDomain,
    'spiffe.svid.files': svidFiles.join(','),
    'spiffe.bundle.file': bundleFile,
    'spiffe.broker.identity': spiffeId(trustDomain, 'kafka'),
    'ssl.engine.factory.class': 'bitka.kafka.SpiffeSslEngineFactory',
    'ssl.client.auth': 'required',
    'ssl.enabled.protocols': 'TLSv1.3',
    'ssl.protocol': 'TLSv1.3',
    'principal.builder.class': 'bitka.kafka.SpiffePrincipalBuilder',
  }
}

/** Default deny: what kafka-admin has not allowed is refused. */
export function authorizationProperties(trustDomain: string): Record<string, string> {
  return {
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'allow.everyone.if.no.acl.found': 'false',
    'super.users': superUsers.map((name) => principalOf(trustDomain, name)).join(';'),
  }
}

/** What every broker of ours keeps to, however many there are. */
export const logProperties: Readonly<Record<string, string>> = {
  // Topics come from the one table, and with them what is evidence: no program makes or removes one by mistake.
  'auto.create.topics.enable': 'false',
  'delete.topic.enable': 'false',
  'unclean.leader.election.enable': 'false',
  'message.max.bytes': String(kafkaLimits.maxBatchBytes),
  'replica.fetch.max.bytes': String(kafkaLimits.maxBatchBytes),
  'compression.type': kafkaLimits.compression,
  'group.initial.rebalance.delay.ms': '0',
}

/** One broker that is its own controller. */
const singleNode: Readonly<Record<string, string>> = {
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '4',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  // After a crash the broker is refused until its old session has ended.
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
  // Sized for one machine: the default buffer alone has 128 MiB.
  'num.network.threads': '2',
  'num.io.threads': '4',
  'log.cleaner.dedupe.buffer.size': '8388608',
}

/** server.properties of a single broker, native or in compose. */
export function renderServerProperties(options: BrokerOptions): string {
  const { host, port } = options
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@${options.controller}`,
    'log.dirs': options.dataDir,
    listeners: `SSL://${host}:${port},CONTROLLER://${options.controller}`,
    'advertised.listeners': `SSL://${options.advertised}`,
    'listener.security.protocol.map': 'SSL:SSL,CONTROLLER:SSL',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'SSL',
    ...identityProperties(options),
    ...authorizationProperties(options.trustDomain),
    ...logProperties,
    ...singleNode,
  }
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value.replaceAll('\\', '\\\\')}\n`)
    .join('')
}

/** The broker of deploy/compose.yaml: server.compose.properties, which start.sh runs. */
export const composeProperties = (): string =>
  renderServerProperties({
    trustDomain: 'bitka.local',
    svidFiles: ['/run/svid/keystore.pem'],
    bundleFile: '/run/svid/bundle.pem',
    dataDir: '/var/lib/kafka/data',
    host: '0.0.0.0',
    port: 9093,
    advertised: 'kafka:9093',
    controller: '127.0.0.1:9094',
  })
