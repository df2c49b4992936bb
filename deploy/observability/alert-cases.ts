/** A series of samples, one a minute, in promtool's notation: `0+60x180` rises by 60 a minute for three hours. */
type Series = Readonly<Record<string, string>>

/** An exchange that is healthy but for one thing, and what fires when: alert name → how many of it. Nothing else may fire. */
export type AlertCase = {
  name: string
  /** In place of the healthy series of the same name, or added to them. */
  changed?: Series
  /** Healthy series that are not there at all. */
  missing?: readonly string[]
  fires: Readonly<Record<string, Readonly<Record<string, number>>>>
}

const CREATE = 'route="bitka.order.v1.OrderService/CreateOrder"'

/** Every series that an alert reads, as it is while all is well. */
export const healthy: Series = {
  [`http_requests_total{${CREATE},verb="POST",status="201",service="gateway"}`]: '0+600x180',
  [`http_requests_total{${CREATE},verb="POST",status="503",service="gateway"}`]: '0+1x180',
  [`http_request_seconds_bucket{${CREATE},le="0.1",service="gateway"}`]: '0+598x180',
  [`http_request_seconds_bucket{${CREATE},le="0.5",service="gateway"}`]: '0+600x180',
  [`http_request_seconds_bucket{${CREATE},le="+Inf",service="gateway"}`]: '0+600x180',
  'bitka_ledger_unbalanced_assets{service="ledger"}': '0x180',
  'bitka_ledger_checked_timestamp_seconds{service="ledger"}': '0+60x180',
  'bitka_ledger_settlement_lag_seconds{service="ledger",partition="0"}': '0x180',
  'bitka_matching_stopped{service="matching",partition="0"}': '0x180',
  'bitka_matching_lag_records{service="matching",partition="0"}': '3x180',
  'bitka_consumer_stopped{service="ledger",group="ledger.settlement",topic="trading.matches.executed",partition="0"}':
    '0x180',
  'bitka_consumer_lag_records{service="ledger",group="ledger.settlement",topic="trading.matches.executed",partition="0"}':
    '12x180',
  'bitka_outbox_unsent_age_ms{service="order",topic="trading.orders.commands"}': '40x180',
  'bitka_dead_letters_parked{service="notification",group="notification.mails"}': '0x180',
  'rpc_client_calls_total{service="gateway",method="/m",outcome="ok"}': '0+600x180',
  'rpc_client_calls_total{service="gateway",method="/m",outcome="unavailable"}': '0+1x180',
  'rpc_server_calls_total{service="order",method="/m",outcome="internal"}': '0x180',
  'bitka_mesh_refused_total{service="ledger",reason="tls"}': '0x180',
  'svid_expires_at_seconds{service="order",instance="order:9040"}': '3600+60x180',
  'svid_updates_total{service="order",instance="order:9040",outcome="error"}': '0x180',
  'envoy_listener_ssl_certificate_expiration_unix_time_seconds{envoy_listener_address="public",envoy_tls_certificate="public"}':
    '2592000x180',
  'envoy_listener_ssl_certificate_expiration_unix_time_seconds{envoy_listener_address="mesh",envoy_tls_certificate="identity"}':
    '3600+60x180',
  'envoy_cluster_membership_healthy{instance="envoy:8902",envoy_cluster_name="gateway"}': '2x180',
  'up{job="bitka",instance="order:9040"}': '1x180',
  'bitka_ready{service="order",instance="order:9040"}': '1x180',
  'bitka_dependency_ok{service="order",dependency="database"}': '1x180',
  'bitka_dependency_ok{service="order",dependency="event log"}': '1x180',
  'process_start_time_seconds{job="bitka",service="order",instance="order:9040"}': '0x60 1x180',
  'nodejs_eventloop_lag_p99_seconds{service="order",instance="order:9040"}': '0.02x180',
  'bitka_db_pool_waiting{service="order",instance="order:9040",schema="order"}': '0x180',
  'node_filesystem_avail_bytes{instance="node-1",mountpoint="/",fstype="ext4"}': '60x180',
  'node_filesystem_size_bytes{instance="node-1",mountpoint="/",fstype="ext4"}': '100x180',
  'kubelet_volume_stats_available_bytes{persistentvolumeclaim="kafka-0"}': '60x180',
  'kubelet_volume_stats_capacity_bytes{persistentvolumeclaim="kafka-0"}': '100x180',
  'up{job="backup",instance="backup:9100"}': '1x180',
  'bitka_backup_last_success_timestamp_seconds{service="backup"}': '0x180',
  'bitka_backup_wal_last_success_timestamp_seconds{service="backup"}': '0+60x180',
  'bitka_backup_failures_total{service="backup",what="base"}': '0x180',
}

/** Each alert fires in at least one of these, and is quiet in all others. */
export const alertCases: readonly AlertCase[] = [
  {
    name: 'a healthy exchange is quiet',
    fires: { '100m': {} },
  },
  {
    name: 'orders fail',
    changed: { [`http_requests_total{${CREATE},verb="POST",status="503",service="gateway"}`]: '0+12x180' },
    fires: { '4m': {}, '20m': { OrdersFail: 1, RequestsFail: 1 } },
  },
  {
    name: 'requests fail that are no orders',
    changed: {
      'http_requests_total{route="bitka.user.v1.UserService/GetMe",verb="GET",status="500",service="gateway"}':
        '0+60x180',
    },
    fires: { '20m': { RequestsFail: 1 } },
  },
  {
    name: 'probes that fail are no requests that fail',
    changed: { 'http_requests_total{route="readyz",verb="GET",status="503",service="gateway"}': '0+600x180' },
    fires: { '20m': {} },
  },
  {
    name: 'orders are slow',
    changed: {
      [`http_request_seconds_bucket{${CREATE},le="0.1",service="gateway"}`]: '0+100x180',
      [`http_request_seconds_bucket{${CREATE},le="0.5",service="gateway"}`]: '0+590x180',
      [`http_request_seconds_bucket{${CREATE},le="1",service="gateway"}`]: '0+600x180',
    },
    fires: { '9m': {}, '25m': { OrdersSlow: 1 } },
  },
  {
    name: 'slow readers are dropped',
    changed: { 'websockets_dropped_total{service="gateway"}': '0+3x180' },
    fires: { '30m': { SlowReadersDropped: 1 } },
  },
  {
    name: 'money was made or lost',
    changed: { 'bitka_ledger_unbalanced_assets{service="ledger"}': '0x9 1x170' },
    fires: { '9m': {}, '10m': { LedgerUnbalanced: 1 } },
  },
  {
    name: 'nobody checks the books',
    changed: { 'bitka_ledger_checked_timestamp_seconds{service="ledger"}': '0x180' },
    fires: { '9m': {}, '17m': { LedgerNotChecked: 1 } },
  },
  {
    name: 'nobody ever checked the books',
    missing: ['bitka_ledger_checked_timestamp_seconds{service="ledger"}'],
    fires: { '7m': { LedgerNotChecked: 1 } },
  },
  {
    name: 'settlement is behind',
    changed: { 'bitka_ledger_settlement_lag_seconds{service="ledger",partition="0"}': '0x9 7x170' },
    fires: { '10m': {}, '12m': { SettlementLag: 1 } },
  },
  {
    name: 'a market is stopped',
    changed: { 'bitka_matching_stopped{service="matching",partition="0"}': '0x9 1x170' },
    fires: { '9m': {}, '10m': { MarketStopped: 1 } },
  },
  {
    name: 'matching is behind',
    changed: { 'bitka_matching_lag_records{service="matching",partition="0"}': '0x9 2500x170' },
    fires: { '10m': {}, '12m': { MatchingLag: 1 } },
  },
  {
    name: 'a consumer is stopped',
    changed: {
      'bitka_consumer_stopped{service="ledger",group="ledger.settlement",topic="trading.matches.executed",partition="0"}':
        '0x9 1x170',
    },
    fires: { '9m': {}, '10m': { ConsumerStopped: 1 } },
  },
  {
    name: 'a consumer is behind',
    changed: {
      'bitka_consumer_lag_records{service="ledger",group="ledger.settlement",topic="trading.matches.executed",partition="0"}':
        '0x9 9000x170',
    },
    fires: { '12m': {}, '16m': { ConsumerLag: 1 } },
  },
  {
    name: 'an outbox is stuck',
    changed: { 'bitka_outbox_unsent_age_ms{service="order",topic="trading.orders.commands"}': '0x9 1000+60000x170' },
    fires: { '10m': {}, '13m': { OutboxStuck: 1 } },
  },
  {
    name: 'a record is parked',
    changed: { 'bitka_dead_letters_parked{service="notification",group="notification.mails"}': '0x9 1x170' },
    fires: { '12m': {}, '16m': { DeadLetters: 1 } },
  },
  {
    name: 'calls in the mesh fail',
    changed: { 'rpc_client_calls_total{service="gateway",method="/m",outcome="unavailable"}': '0+30x180' },
    fires: { '4m': {}, '20m': { MeshErrors: 1 } },
  },
  {
    name: 'a service has faults of its own',
    changed: { 'rpc_server_calls_total{service="order",method="/m",outcome="internal"}': '0+1x180' },
    fires: { '20m': { InternalErrors: 1 } },
  },
  {
    name: 'an identity is not renewed',
    changed: { 'svid_expires_at_seconds{service="order",instance="order:9040"}': '3600x180' },
    fires: { '44m': {}, '50m': { SvidExpiring: 1 } },
  },
  {
    name: 'the identity of Envoy is not renewed',
    changed: {
      'envoy_listener_ssl_certificate_expiration_unix_time_seconds{envoy_listener_address="mesh",envoy_tls_certificate="identity"}':
        '3600x180',
    },
    fires: { '44m': {}, '50m': { EdgeSvidExpiring: 1 } },
  },
  {
    name: 'the stream of identities breaks again and again',
    changed: { 'svid_updates_total{service="order",instance="order:9040",outcome="error"}': '0+2x180' },
    fires: { '20m': { SvidUpdatesFail: 1 } },
  },
  {
    name: 'strangers knock at a service',
    changed: { 'bitka_mesh_refused_total{service="ledger",reason="tls"}': '0+2x180' },
    fires: { '20m': { PeersRefused: 1 } },
  },
  {
    name: 'the public certificate expires in 13 days',
    changed: {
      'envoy_listener_ssl_certificate_expiration_unix_time_seconds{envoy_listener_address="public",envoy_tls_certificate="public"}':
        '1123200x180',
    },
    fires: { '50m': {}, '70m': { PublicCertificateExpiring: 1 } },
  },
  {
    name: 'the public certificate expires in 2 days',
    changed: {
      'envoy_listener_ssl_certificate_expiration_unix_time_seconds{envoy_listener_address="public",envoy_tls_certificate="public"}':
        '172800x180',
    },
    fires: { '70m': { PublicCertificateExpiring: 1, PublicCertificateExpired: 1 } },
  },
  {
    name: 'Envoy has no gateway',
    changed: { 'envoy_cluster_membership_healthy{instance="envoy:8902",envoy_cluster_name="gateway"}': '2x9 0x170' },
    fires: { '9m': {}, '12m': { NoGateway: 1 } },
  },
  {
    name: 'a process does not answer Prometheus',
    changed: { 'up{job="bitka",instance="order:9040"}': '1x9 0x170' },
    fires: { '11m': {}, '13m': { TargetDown: 1 } },
  },
  {
    name: 'a process is not ready',
    changed: { 'bitka_ready{service="order",instance="order:9040"}': '1x9 0x170' },
    fires: { '11m': {}, '13m': { NotReady: 1 } },
  },
  {
    name: 'PostgreSQL is down',
    changed: {
      'bitka_dependency_ok{service="order",dependency="database"}': '1x9 0x170',
      'bitka_dependency_ok{service="audit",dependency="the database"}': '1x9 0x170',
    },
    fires: { '10m': {}, '12m': { PostgresDown: 2 } },
  },
  {
    name: 'Kafka is down',
    changed: { 'bitka_dependency_ok{service="order",dependency="event log"}': '1x9 0x170' },
    fires: { '10m': {}, '12m': { KafkaDown: 1 } },
  },
  {
    name: 'a process is started again and again',
    changed: { 'process_start_time_seconds{job="bitka",service="order",instance="order:9040"}': '0+120x180' },
    fires: { '10m': { ProcessRestarts: 1 } },
  },
  {
    name: 'an event loop is blocked',
    changed: { 'nodejs_eventloop_lag_p99_seconds{service="order",instance="order:9040"}': '0.02x9 0.9x170' },
    fires: { '12m': {}, '16m': { EventLoopBlocked: 1 } },
  },
  {
    name: 'requests wait for connections',
    changed: { 'bitka_db_pool_waiting{service="order",instance="order:9040",schema="order"}': '0x9 30x170' },
    fires: { '12m': {}, '16m': { DatabasePoolFull: 1 } },
  },
  {
    name: 'a disk fills',
    changed: { 'node_filesystem_avail_bytes{instance="node-1",mountpoint="/",fstype="ext4"}': '60-1x50 10x130' },
    fires: { '45m': {}, '70m': { DiskFilling: 1 } },
  },
  {
    name: 'a volume fills',
    changed: { 'kubelet_volume_stats_available_bytes{persistentvolumeclaim="kafka-0"}': '60-1x50 10x130' },
    fires: { '45m': {}, '70m': { VolumeFilling: 1 } },
  },
  {
    name: 'the newest backup is of the day before yesterday',
    changed: { 'bitka_backup_last_success_timestamp_seconds{service="backup"}': '-93600x180' },
    fires: { '1m': {}, '10m': { BackupOld: 1 } },
  },
  {
    name: 'there is no backup',
    missing: ['bitka_backup_last_success_timestamp_seconds{service="backup"}'],
    fires: { '59m': {}, '70m': { BackupMissing: 1 } },
  },
  {
    name: 'backups are made elsewhere',
    missing: [
      'up{job="backup",instance="backup:9100"}',
      'bitka_backup_last_success_timestamp_seconds{service="backup"}',
      'bitka_backup_wal_last_success_timestamp_seconds{service="backup"}',
      'bitka_backup_failures_total{service="backup",what="base"}',
    ],
    fires: { '70m': {} },
  },
  {
    name: 'the archive of changes is old',
    changed: { 'bitka_backup_wal_last_success_timestamp_seconds{service="backup"}': '0x180' },
    fires: { '15m': {}, '25m': { WalArchiveOld: 1 } },
  },
  {
    name: 'a backup fails',
    changed: { 'bitka_backup_failures_total{service="backup",what="base"}': '0x9 1x170' },
    fires: { '9m': {}, '12m': { BackupsFail: 1 } },
  },
]
