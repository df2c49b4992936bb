// The tests of the full stack: one stack, started before and stopped after, one file at a time, faults last.
import base from './jest.config.js'

export default {
  ...base,
  globalSetup: '<rootDir>/test/stack/runner/setup.mjs',
  globalTeardown: '<rootDir>/test/stack/runner/teardown.mjs',
  // The suites of the embedded exchange that can be pointed at another one run first, unchanged, through Envoy.
  testMatch: [
    '<rootDir>/test/e2e/{auth,users,ledger,orders,market-data,stream,admin,health,terminal}.test.ts',
    '<rootDir>/test/stack/*.test.ts',
  ],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '/.bitka/'],
  maxWorkers: 1,
  testSequencer: '<rootDir>/test/stack/runner/sequencer.cjs',
  testTimeout: 120_000,
}
