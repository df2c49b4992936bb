// The tests of the full stack, which scripts/test-stack.mjs has started: one file at a time, faults last.
import base from './jest.config.js'
import parts from './jest.stack-parts.config.js'

export default {
  ...base,
  // The suites of the embedded exchange that can be pointed at another one run first, unchanged, through Envoy.
  testMatch: [
    '<rootDir>/test/e2e/{auth,users,ledger,orders,market-data,stream,admin,health,terminal}.test.ts',
    '<rootDir>/test/stack/**/*.test.ts',
  ],
  testPathIgnorePatterns: [
    ...parts.testPathIgnorePatterns,
    ...(process.env.BITKA_STACK_WITH_PARTS === undefined ? ['<rootDir>/test/stack/parts/'] : []),
  ],
  maxWorkers: 1,
  testSequencer: '<rootDir>/test/stack/sequencer.cjs',
}
