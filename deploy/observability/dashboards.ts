import type { Dashboard } from './dashboard.ts'

const CREATE = 'route="bitka.order.v1.OrderService/CreateOrder"'
const quantile = (q: number, metric: string, selector = '', by = 'le'): string =>
  `histogram_quantile(${q}, sum by (${by}) (rate(${metric}_bucket${selector}[5m])))`

/** Every dashboard. `node deploy/observability generate` writes them to dashboards/. */
export const dashboards: readonly Dashboard[] = [
  {
    uid: 'orders',
    title: 'Orders and latency',
    panels: [
      {
        title: 'New orders by answer',
        unit: 'reqps',
        queries: [[`sum by (status) (rate(http_requests_total{${CREATE}}[5m]))`, '{{status}}']],
      },
      {
        title: 'Time to accept an order',
        about: 'At the gateway, without the way to the client. The alert is at 0.5 s of p99.',
        unit: 's',
        badFrom: 0.5,
        queries: [
          [quantile(0.5, 'http_request_seconds', `{${CREATE}}`), 'p50'],
          [quantile(0.99, 'http_request_seconds', `{${CREATE}}`), 'p99'],
        ],
      },
      {
        title: 'All requests by answer',
        unit: 'reqps',
        queries: [['sum by (status) (rate(http_requests_total{route!~"readyz|healthz"}[5m]))', '{{status}}']],
      },
      {
        title: 'Slowest routes, p99',
        unit: 's',
        queries: [[`topk(8, ${quantile(0.99, 'http_request_seconds', '', 'le, route')})`, '{{route}}']],
      },
      {
        title: 'Refused by rate limits',
        unit: 'reqps',
        queries: [['sum by (budget) (rate(rate_limited_total[5m]))', '{{budget}}']],
      },
      {
        title: 'WebSockets',
        unit: 'short',
        queries: [
          ['sum(websockets_open)', 'open'],
          ['sum(increase(websockets_dropped_total[5m]))', 'dropped in 5 min'],
        ],
      },
      {
        title: 'Commands and results of matching',
        unit: 'ops',
        queries: [
          ['sum(rate(bitka_matching_commands_total[5m]))', 'commands'],
          ['sum(rate(bitka_matching_results_total[5m]))', 'results'],
        ],
      },
      {
        title: 'Answers at the edge',
        about: 'As Envoy counts them, its own refusals included.',
        unit: 'reqps',
        queries: [
          [
            'sum by (envoy_http_conn_manager_prefix, envoy_response_code_class) (rate(envoy_http_downstream_rq_xx{envoy_http_conn_manager_prefix=~"public|operators|mesh"}[5m]))',
            '{{envoy_http_conn_manager_prefix}} {{envoy_response_code_class}}xx',
          ],
        ],
      },
    ],
  },
  {
    uid: 'ledger',
    title: 'Ledger',
    panels: [
      {
        title: 'Assets that do not sum to zero',
        about: 'Must be 0. Anything else is an incident: runbook LedgerUnbalanced.',
        unit: 'short',
        single: true,
        badFrom: 1,
        queries: [['max(bitka_ledger_unbalanced_assets)', 'assets']],
      },
      {
        title: 'Since the books were added up',
        unit: 's',
        single: true,
        badFrom: 600,
        queries: [['time() - max(bitka_ledger_checked_timestamp_seconds)', 'age']],
      },
      {
        title: 'Settlement lag',
        about: 'The order service refuses new orders at 10 s.',
        unit: 's',
        badFrom: 5,
        queries: [['max by (partition) (bitka_ledger_settlement_lag_seconds)', 'partition {{partition}}']],
      },
      {
        title: 'Results settled',
        unit: 'ops',
        queries: [['sum(rate(bitka_consumer_records_total{group="ledger.settlement"}[5m]))', 'records']],
      },
      {
        title: 'Calls by method and outcome',
        unit: 'reqps',
        queries: [
          ['sum by (method, outcome) (rate(rpc_server_calls_total{service="ledger"}[5m]))', '{{method}} {{outcome}}'],
        ],
      },
      {
        title: 'Time of its calls, p99',
        unit: 's',
        queries: [[quantile(0.99, 'rpc_server_seconds', '{service="ledger"}', 'le, method'), '{{method}}']],
      },
    ],
  },
  {
    uid: 'matching',
    title: 'Matching',
    panels: [
      {
        title: 'Commands still to apply',
        unit: 'short',
        badFrom: 2000,
        queries: [['max by (partition) (bitka_matching_lag_records)', 'partition {{partition}}']],
      },
      {
        title: 'Markets stopped by an error',
        unit: 'short',
        single: true,
        badFrom: 1,
        queries: [['sum(bitka_matching_stopped)', 'markets']],
      },
      {
        title: 'Commands applied',
        unit: 'ops',
        queries: [['sum by (partition) (rate(bitka_matching_commands_total[5m]))', 'partition {{partition}}']],
      },
      {
        title: 'Last take-over of a partition',
        unit: 's',
        queries: [['max by (partition) (bitka_matching_replay_seconds)', 'partition {{partition}}']],
      },
    ],
  },
  {
    uid: 'events',
    title: 'Events',
    panels: [
      {
        title: 'Records behind',
        unit: 'short',
        badFrom: 5000,
        queries: [['sum by (service, group) (bitka_consumer_lag_records)', '{{group}}']],
      },
      {
        title: 'Oldest event that is not in the log',
        unit: 'ms',
        badFrom: 10_000,
        queries: [['max by (service, topic) (bitka_outbox_unsent_age_ms)', '{{service}} {{topic}}']],
      },
      {
        title: 'Records applied',
        unit: 'ops',
        queries: [['sum by (group) (rate(bitka_consumer_records_total[5m]))', '{{group}}']],
      },
      {
        title: 'Events sent',
        unit: 'ops',
        queries: [['sum by (service, topic) (rate(bitka_outbox_sent_total[5m]))', '{{service}} {{topic}}']],
      },
      {
        title: 'Partitions stopped at a record',
        unit: 'short',
        badFrom: 1,
        queries: [
          ['max by (group, topic, partition) (bitka_consumer_stopped) > 0', '{{group}} {{topic}}/{{partition}}'],
        ],
      },
      {
        title: 'Tries that failed',
        unit: 'ops',
        queries: [['sum by (group) (rate(bitka_consumer_retries_total[5m]))', '{{group}}']],
      },
    ],
  },
  {
    uid: 'dead-letters',
    title: 'Dead letters',
    panels: [
      {
        title: 'Records that are parked',
        about: 'They wait for an operator: GET /v1/admin/services/{service}/dead-letters.',
        unit: 'short',
        badFrom: 1,
        queries: [['max by (service, group) (bitka_dead_letters_parked)', '{{group}}']],
      },
      {
        title: 'Parked in the last hour',
        unit: 'short',
        queries: [['sum by (group, topic) (increase(bitka_dead_letters_total[1h]))', '{{group}} {{topic}}']],
      },
    ],
  },
  {
    uid: 'mesh',
    title: 'Mesh errors',
    panels: [
      {
        title: 'Calls that failed, by caller',
        unit: 'percentunit',
        badFrom: 0.02,
        queries: [
          [
            'sum by (service) (rate(rpc_client_calls_total{outcome=~"unavailable|deadline_exceeded|internal"}[5m])) / sum by (service) (rate(rpc_client_calls_total[5m]))',
            '{{service}}',
          ],
        ],
      },
      {
        title: 'Outcomes other than ok, by service and method',
        unit: 'reqps',
        queries: [
          [
            'topk(12, sum by (service, method, outcome) (rate(rpc_server_calls_total{outcome!="ok"}[5m])))',
            '{{service}} {{method}} {{outcome}}',
          ],
        ],
      },
      {
        title: 'Time of calls, p99, by service',
        unit: 's',
        queries: [[quantile(0.99, 'rpc_server_seconds', '', 'le, service'), '{{service}}']],
      },
      {
        title: 'Healthy gateways, as Envoy sees them',
        unit: 'short',
        queries: [
          [
            'sum by (envoy_cluster_name) (envoy_cluster_membership_healthy{envoy_cluster_name=~"gateway.*"})',
            '{{envoy_cluster_name}}',
          ],
        ],
      },
    ],
  },
  {
    uid: 'identity',
    title: 'Identities and certificates',
    panels: [
      {
        title: 'Time until an SVID expires',
        about: 'An SVID lives an hour and is renewed after half of it.',
        unit: 's',
        queries: [['min by (service, instance) (svid_expires_at_seconds) - time()', '{{service}} {{instance}}']],
      },
      {
        title: 'SVIDs received, and streams that broke',
        unit: 'short',
        queries: [['sum by (service, outcome) (increase(svid_updates_total[15m]))', '{{service}} {{outcome}}']],
      },
      {
        title: 'Time until the public certificate expires',
        about: 'Alerts at 14 days and at 3.',
        unit: 's',
        queries: [
          [
            'min by (envoy_listener_address) (envoy_listener_ssl_certificate_expiration_unix_time_seconds{envoy_tls_certificate="public"}) - time()',
            '{{envoy_listener_address}}',
          ],
        ],
      },
    ],
  },
  {
    uid: 'platform',
    title: 'Processes and platform',
    panels: [
      {
        title: 'Ready',
        unit: 'short',
        queries: [['min by (service, instance) (bitka_ready)', '{{service}} {{instance}}']],
      },
      {
        title: 'What is missing',
        unit: 'short',
        queries: [['(1 - bitka_dependency_ok) > 0', '{{service}}: {{dependency}}']],
      },
      {
        title: 'Processor',
        unit: 'percentunit',
        queries: [['sum by (service) (rate(process_cpu_seconds_total{job="bitka"}[5m]))', '{{service}}']],
      },
      {
        title: 'Memory',
        unit: 'bytes',
        queries: [['max by (service, instance) (process_resident_memory_bytes{job="bitka"})', '{{service}}']],
      },
      {
        title: 'Event loop lag, p99',
        unit: 's',
        badFrom: 0.5,
        queries: [['max by (service, instance) (nodejs_eventloop_lag_p99_seconds)', '{{service}}']],
      },
      {
        title: 'Connections to PostgreSQL',
        unit: 'short',
        queries: [
          ['sum by (schema, state) (bitka_db_pool_connections)', '{{schema}} {{state}}'],
          ['sum by (schema) (bitka_db_pool_waiting)', '{{schema}} waiting'],
        ],
      },
      {
        title: 'Age of the newest backup, and of the archive of changes',
        unit: 's',
        queries: [
          ['time() - max(bitka_backup_last_success_timestamp_seconds)', 'backup'],
          ['time() - max(bitka_backup_wal_last_success_timestamp_seconds)', 'archive'],
        ],
      },
      {
        title: 'Spans of traces',
        unit: 'ops',
        queries: [['sum by (service, outcome) (rate(bitka_trace_spans_total[5m]))', '{{service}} {{outcome}}']],
      },
    ],
  },
]
