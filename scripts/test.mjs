// Runs jest, given a configuration or over everything, and ends with the line `N passed, N failed`.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const folder = mkdtempSync(join(tmpdir(), 'bitka-test-'))
const report = join(folder, 'report.json')
const flags = ['--disable-warning=ExperimentalWarning', '--experimental-vm-modules', '--tls-min-v1.3']
const run = spawnSync(
  process.execPath,
  [...flags, 'node_modules/jest/bin/jest.js', '--json', `--outputFile=${report}`, ...process.argv.slice(2)],
  { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
)
let passed = 0
let failed = 1
try {
  const result = JSON.parse(readFileSync(report, 'utf8'))
  passed = result.numPassedTests
  // A suite that cannot even start has no failed test to count.
  failed = result.numFailedTests + result.numRuntimeErrorTestSuites
  if (failed === 0 && (run.status !== 0 || passed === 0)) failed = 1
} catch {
  console.error('jest left no report')
}
rmSync(folder, { recursive: true, force: true })
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
