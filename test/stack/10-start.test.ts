import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { attachStack } from '@bitka/deploy/native'
import { repositoryFolder } from '@bitka/service'
import { tempDir } from '@bitka/testkit'

const root = join(repositoryFolder('scripts'), '..')
const stack = attachStack()

const uidOf = (pid: number | undefined): number =>
  Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN)

/** By hand, not read from the table that the stack is made from. */
const accounts: Record<string, number> = {
  gateway: 47_000,
  auth: 47_010,
  user: 47_020,
  ledger: 47_030,
  order: 47_040,
  matching: 47_050,
  'market-data': 47_060,
  notification: 47_070,
  audit: 47_080,
  envoy: 47_900,
  kafka: 47_910,
}

describe('the stack', () => {
  it('runs every service, Kafka, Envoy, PostgreSQL and the identities in a process of its own', async () => {
    const processes = await stack.controls.processes()
    const names = processes.map(({ name }) => name).sort()
    expect(names).toEqual([...Object.keys(accounts), 'identity', 'postgres'].sort())
    expect(new Set(processes.map(({ pid }) => pid)).size).toBe(processes.length)
  })

  it('gives each of them an account of its own when root starts it, and its starter’s when an ordinary user does', async () => {
    const own = process.getuid?.() ?? 0
    for (const { name, pid } of await stack.controls.processes()) {
      const expected = accounts[name] ?? own
      const uid = uidOf(pid)
      // PostgreSQL refuses root; the identities are handed out by who may know every account.
      if (own === 0 && name === 'postgres') expect({ name, uid }).not.toEqual({ name, uid: 0 })
      else expect({ name, uid }).toEqual({ name, uid: own === 0 ? expected : own })
    }
  })

  it('keeps secrets out of what others can read of a process', async () => {
    const password = stack.operatorPassword
    for (const { pid } of await stack.controls.processes())
      expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(password)
  })

  it('serves the first trade of the README through Envoy', async () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8')
    const trade = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)]
      .map(([, text]) => text ?? '')
      .find((text) => text.includes('./bitka order'))
    // Names of this run's own: the stack keeps its data, and the README's people may have traded before.
    const run = `${Date.now() % 1_000_000}`
    const script = (trade ?? '')
      .replaceAll('alice', `alice${run}`)
      .replaceAll('bob', `bob${run}`)
      .replace(/export BITKA_OPERATOR_PASSWORD=.*/, '')
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: root,
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        NODE_EXTRA_CA_CERTS: stack.caFile,
        BITKA_DATA_DIR: await tempDir(),
        BITKA_URL: stack.url,
        BITKA_OPERATOR_EMAIL: stack.operatorEmail,
        BITKA_OPERATOR_PASSWORD: stack.operatorPassword,
      },
    })
    // Where nobody has traded before, the figures are those of test/e2e/readme; here others may have left a book.
    expect(stdout).toMatch(new RegExp(`alice${run} buys 0.01 BTC-THB at 1000000: (open|partially_filled|filled)`))
    expect(stdout).toMatch(new RegExp(`bob${run} sells 0.01 BTC-THB at 1000000: (open|partially_filled|filled)`))
    const [, balances = ''] = stdout.split(new RegExp(`^ *alice${run}$`, 'm'))
    expect(balances).toMatch(/^ *THB +\d/m)
    expect(balances).toContain('last trade')
  })
})
