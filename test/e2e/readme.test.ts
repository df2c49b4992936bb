import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryFolder } from '@bitka/service'
import { freePort, tempDir, waitFor } from '@bitka/testkit'

const root = join(repositoryFolder('scripts'), '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

/** The shell blocks of the README, in order: what a newcomer copies. */
const blocks = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')

it('has the blocks that CI runs: start and first trade here, the tests by .ci/run', () => {
  expect(blocks).toHaveLength(4)
  expect(blocks[0]).toMatch(/^make up$/m)
  expect(
    blocks[1]
      ?.trim()
      .split('\n')
      .filter((line) => line.startsWith('./bitka')),
  ).toHaveLength(5)
  const ci = readFileSync(join(root, '.ci/run'), 'utf8')
  for (const [index, command] of [
    [2, 'make test'],
    [3, 'make test-stack'],
  ] as const) {
    expect(blocks[index]?.trim()).toBe(command)
    expect(ci).toContain(`suite ${command}\n`)
  }
})

it('leads a newcomer from make up to a first trade, and Ctrl-C ends it well', async () => {
  // `make up` would install anew, and so remove what this very test runs on, if the installation were out of date.
  execFileSync('make', ['-q', 'node_modules/.installed'], { cwd: root })
  const port = await freePort()
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    BITKA_DATA_DIR: join(await tempDir(), 'data'),
    BITKA_HTTP_PORT: String(port),
  }
  const up = spawn('bash', ['-euc', blocks[0] ?? ''], {
    cwd: root,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const stream of [up.stdout, up.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
    })
  }
  try {
    await waitFor(
      () => {
        if (up.exitCode !== null) throw new Error(`make up ended with ${up.exitCode}`)
        return printed.includes(`BitKa is ready at http://127.0.0.1:${port}`)
      },
      { timeoutMs: 120_000, what: 'make up' },
    )
    const { BITKA_HTTP_PORT: _, ...own } = env
    const trade = execFileSync('bash', ['-euo', 'pipefail', '-c', blocks[1] ?? ''], {
      cwd: root,
      env: { ...own, BITKA_URL: `http://127.0.0.1:${port}` },
    }).toString()
    // Alice paid 0.01 × 1,000,000 THB and got 0.01 BTC less the maker's 0.1 %; Bob got 10,000 THB less the taker's 0.2 %.
    for (const figure of ['90000', '0.00999', '0.99', '9980', '1000000', '0.01']) expect(trade).toContain(figure)
  } finally {
    // As Ctrl-C in a terminal: the whole foreground group gets it.
    if (up.pid !== undefined && up.exitCode === null) process.kill(-up.pid, 'SIGINT')
  }
  await waitFor(() => up.exitCode !== null || up.signalCode !== null, { timeoutMs: 60_000, what: 'the end of make up' })
  const left = execFileSync('ps', ['-eo', 'args'])
    .toString()
    .split('\n')
    .filter((line) => line.includes(env.BITKA_DATA_DIR))
  expect(left).toEqual([])
}, 240_000)
