// One config for every package. Tests read TypeScript source directly (condition @bitka/source), so nothing is built first.
export default {
  // Fails a test during which Node warns or a rejection goes unhandled.
  testEnvironment: '<rootDir>/libs/testkit/jest/environment.mjs',
  // A folder for the run, and the clean-up of the PostgreSQL that tests share; started by the first test that needs it.
  globalSetup: '<rootDir>/libs/testkit/jest/global-setup.mjs',
  globalTeardown: '<rootDir>/libs/testkit/jest/global-teardown.mjs',
  testEnvironmentOptions: { customExportConditions: ['@bitka/source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2023' }, module: { type: 'es6' }, sourceMaps: 'inline' },
    ],
  },
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '/.bitka/', '<rootDir>/test/stack/', '\\.tools\\.test\\.ts$'],
  modulePathIgnorePatterns: ['<rootDir>/.bitka/', '/dist/'],
  maxWorkers: 2,
  // Generous: a busy machine is no reason to fail.
  testTimeout: 120_000,
}
