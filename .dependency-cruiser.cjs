/** The layout's rules: what may import what. docs/adr/0001 says why. */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'kernel-imports-no-library',
      comment: 'The kernel stands at the bottom.',
      severity: 'error',
      from: { path: '^libs/kernel/src' },
      to: { path: '^(libs/(?!kernel)|services|gateway|embedded)' },
    },
    {
      name: 'domain-is-pure',
      comment: 'domain/ holds rules: no I/O, no framework, no other layer.',
      severity: 'error',
      from: { path: '^services/[^/]+/src/domain/', pathNot: '\\.test\\.ts$' },
      to: {
        path: [
          '^services/[^/]+/src/(rpc|store|events|clients)/',
          '^libs/(mesh|store|events|service|embedded-pg|dev-ca)/',
          'node_modules/(pg|drizzle-orm|@grpc|kafkajs)/',
          '^(node:)?(fs|net|http|https|child_process|dgram|tls)',
        ],
      },
    },
    {
      name: 'services-share-no-code',
      comment: 'A service reaches another only by its RPC or its events.',
      severity: 'error',
      from: { path: '^services/([^/]+)/' },
      to: { path: '^services/(?!$1/)[^/]+/' },
    },
    {
      name: 'libraries-know-no-service',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^(services|gateway|embedded|bench|test)/' },
    },
    {
      name: 'gateway-knows-no-service',
      severity: 'error',
      from: { path: '^gateway/' },
      to: { path: '^(services|embedded)/' },
    },
    {
      name: 'only-store-has-sql-libraries',
      comment: 'store/ is the only place with SQL.',
      severity: 'error',
      from: { path: '^services/[^/]+/src/(rpc|domain|clients)/' },
      to: { path: 'node_modules/(pg|drizzle-orm)/' },
    },
    {
      name: 'testkit-only-in-tests',
      severity: 'error',
      from: { path: '^(services|gateway|libs|embedded)/', pathNot: ['/test/', '\\.test\\.ts$', '^libs/testkit/'] },
      to: { path: '^libs/testkit/' },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(/gen/|/dist/)' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@bitka/source', 'import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json', '.d.ts'],
    },
  },
}
