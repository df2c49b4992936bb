// Tests that need more than Node, git and make: Go, Java, Python or ssh-keygen, to build and run the tools that look at
// manifests, images, alerts, releases and Envoy's configuration.
import base from './jest.config.js'

export default {
  ...base,
  testMatch: ['**/*.tools.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '/.bitka/'],
  testTimeout: 180_000,
}
