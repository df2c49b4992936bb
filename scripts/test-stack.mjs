// Tests the full stack: starts it, runs test/stack, then the tests of test/e2e through Envoy, and stops it. Ends with the line
// `N passed, N failed`.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const stack = join(root, 'dist/stack.mjs')
const home = spawnSync(process.execPath, [stack, 'home'], { encoding: 'utf8' }).stdout.trim()
// Node reads the variable when it starts, so it is set before there is a file.
const caFile = join(home, 'public-tls', 'ca.pem')
const prepared = spawnSync(process.execPath, [stack, 'ca'], { stdio: 'inherit' })
if (prepared.status !== 0 || !existsSync(caFile)) {
  console.log('0 passed, 1 failed')
  process.exit(1)
}
const run = spawnSync(
  process.execPath,
  [join(root, 'scripts/test.mjs'), '--config', 'jest.stack.config.js', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit', env: { ...process.env, NODE_EXTRA_CA_CERTS: caFile } },
)
process.exit(run.status ?? 1)
