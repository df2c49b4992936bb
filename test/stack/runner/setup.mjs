import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import prepareRun from '../../../libs/testkit/jest/global-setup.mjs'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Starts the stack that all these tests share, unless BITKA_STACK_KEEP says that the running one is to be used. */
export default function setup() {
  prepareRun()
  const stack = (...args) =>
    spawnSync(process.execPath, ['--tls-min-v1.3', '--enable-source-maps', join(root, 'dist/stack.mjs'), ...args], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      // Many users from one address, certificates that change while the tests run.
      env: {
        ...process.env,
        BITKA_RATE_LIMIT_SCALE: '0',
        BITKA_SVID_TTL_S: '120',
        // Nobody listens there but the collector of 50-observability, while it runs.
        BITKA_OTLP_ENDPOINT: 'https://127.0.0.1:4318',
        BITKA_TRACE_RATIO: '0.2',
      },
    }).status
  if (process.env.BITKA_STACK_KEEP === undefined) stack('down')
  if (stack('up') !== 0) throw new Error('the stack did not start')
  const home = spawnSync(process.execPath, [join(root, 'dist/stack.mjs'), 'home'], { encoding: 'utf8' }).stdout.trim()
  const facts = JSON.parse(readFileSync(join(home, 'stack.json'), 'utf8'))
  process.env.BITKA_STACK_HOME = home
  process.env.BITKA_E2E_URL = facts.url
  process.env.BITKA_OPERATOR_EMAIL = facts.operatorEmail
  process.env.BITKA_OPERATOR_PASSWORD = facts.operatorPassword
}
