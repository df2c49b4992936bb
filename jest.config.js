// One config for every package. Tests read TypeScript source directly (condition @bitka/source), so nothing is built first.
export default {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['@bitka/source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2023' }, module: { type: 'es6' }, sourceMaps: 'inline' },
    ],
  },
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '/.bitka/'],
  modulePathIgnorePatterns: ['<rootDir>/.bitka/', '/dist/'],
  maxWorkers: 2,
}
