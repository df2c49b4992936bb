// The tests of the stack's parts: each has a broker or an Envoy of its own, so they may run beside those that share the stack.
import base from './jest.config.js'

export default {
  ...base,
  testMatch: ['<rootDir>/test/stack/parts/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '/.bitka/'],
  maxWorkers: 1,
}
