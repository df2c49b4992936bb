// Tests the full stack: starts it, runs the tests of test/e2e through Envoy and test/stack, and stops it. What has a broker or
// an Envoy of its own runs beside them. Ends with the line `N passed, N failed`.
//   node scripts/test-stack.mjs [jest's arguments]   with arguments, what they name, one after the other
//   BITKA_STACK_KEEP=1                               takes the stack that runs, and leaves it
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const keep = process.env.BITKA_STACK_KEEP !== undefined
const only = process.argv.slice(2)
const env = {
  ...process.env,
  // Many users from one address, certificates that change while the tests run.
  BITKA_RATE_LIMIT_SCALE: '0',
  BITKA_SVID_TTL_S: '120',
  // Nobody listens there but the collector of 50-observability, while it runs.
  BITKA_OTLP_ENDPOINT: 'https://127.0.0.1:4318',
  BITKA_TRACE_RATIO: '0.2',
}

function stack(...args) {
  const program = ['--tls-min-v1.3', '--enable-source-maps', join(root, 'dist/stack.mjs'), ...args]
  return spawnSync(process.execPath, program, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] }).status
}

const children = new Set()
// Whoever interrupts the tests finds no stack that runs.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    for (const child of children) child.kill(signal)
  })
}

/** Runs jest. What it tells comes as it is told, or is answered at the end. */
function tests(config, extraEnv, { aside = false } = {}) {
  const child = spawn(process.execPath, [join(root, 'scripts/test.mjs'), '--config', config, ...only], {
    cwd: root,
    env: { ...env, ...extraEnv },
    stdio: ['ignore', 'pipe', aside ? 'pipe' : 'inherit'],
  })
  children.add(child)
  let output = ''
  let told = ''
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text))
  child.stderr?.setEncoding('utf8').on('data', (text) => (told += text))
  return new Promise((resolve) => {
    child.once('error', () => resolve({ told, passed: 0, failed: 1 }))
    child.once('close', (code) => {
      children.delete(child)
      const [, passed = 0, failed = 1] = /(\d+) passed, (\d+) failed\s*$/.exec(output) ?? []
      resolve({ told, passed: Number(passed), failed: Math.max(Number(failed), code === 0 ? 0 : 1) })
    })
  })
}

async function run(home, caFile) {
  if (stack('up') !== 0) throw new Error('the stack did not start')
  const facts = JSON.parse(readFileSync(join(home, 'stack.json'), 'utf8'))
  const shared = tests('jest.stack.config.js', {
    NODE_EXTRA_CA_CERTS: caFile,
    BITKA_STACK_HOME: home,
    BITKA_E2E_URL: facts.url,
    BITKA_OPERATOR_EMAIL: facts.operatorEmail,
    BITKA_OPERATOR_PASSWORD: facts.operatorPassword,
    ...(only.length > 0 && { BITKA_STACK_WITH_PARTS: '1' }),
  })
  const parts = only.length === 0 ? tests('jest.stack-parts.config.js', {}, { aside: true }) : undefined
  const results = await Promise.all([shared, parts ?? { told: '', passed: 0, failed: 0 }])
  for (const { told } of results) process.stderr.write(told)
  return results
}

async function main() {
  // Node reads NODE_EXTRA_CA_CERTS when it starts, so it is made before.
  const home = spawnSync(process.execPath, [join(root, 'dist/stack.mjs'), 'home'], { encoding: 'utf8' }).stdout.trim()
  const caFile = join(home, 'public-tls', 'ca.pem')
  if (stack('ca') !== 0 || !existsSync(caFile)) return { passed: 0, failed: 1 }
  if (!keep) stack('down')
  const results = await run(home, caFile).catch((error) => {
    console.error(error.message)
    return [{ passed: 0, failed: 1 }]
  })
  if (!keep && stack('down') !== 0) {
    console.error('the stack did not stop')
    results.push({ passed: 0, failed: 1 })
  }
  const sum = (key) => results.reduce((total, result) => total + result[key], 0)
  return { passed: sum('passed'), failed: sum('failed') }
}

const { passed, failed } = await main()
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
