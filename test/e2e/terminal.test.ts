import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { repositoryFolder } from '@bitka/service'
import { tempDir, waitFor } from '@bitka/testkit'
import { operatorPassword, TestExchange } from './exchange.ts'
import { dataOf } from './rest.ts'

const root = join(repositoryFolder('scripts'), '..')
const run = promisify(execFile)

let exchange: TestExchange
let dataDir: string
beforeAll(async () => {
  if (!existsSync(join(root, 'dist/cli.mjs'))) await run(process.execPath, ['scripts/build.mjs'], { cwd: root })
  exchange = await TestExchange.startOwn()
  dataDir = await tempDir()
}, 180_000)
afterAll(() => exchange?.stop())

const env = () => ({
  PATH: process.env.PATH,
  NODE: process.execPath,
  BITKA_URL: exchange.url,
  BITKA_DATA_DIR: dataDir,
  BITKA_OPERATOR_PASSWORD: operatorPassword,
})

type Ended = { code: number; out: string; err: string }

/** Types a command line. */
async function bitka(line: string, more: Record<string, string> = {}): Promise<Ended> {
  try {
    const { stdout, stderr } = await run(join(root, 'bitka'), line.split(' '), { env: { ...env(), ...more } })
    return { code: 0, out: stdout, err: stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, out: stdout, err: stderr }
  }
}

it('a first trade takes five commands', async () => {
  expect(await bitka('register alice bob')).toMatchObject({
    code: 0,
    out: 'alice  registered and signed in\nbob    registered and signed in\n',
  })
  expect(await bitka('credit alice=100000:THB bob=1:BTC')).toMatchObject({
    code: 0,
    out: 'alice  +100000  THB  has  100000  available\nbob         +1  BTC  has       1  available\n',
  })
  const bought = await bitka('order alice buy 0.01 BTC-THB at 1000000')
  expect(bought.out).toMatch(/^alice buys 0\.01 BTC-THB at 1000000: open {2}\[order [0-9a-f-]{36}\]\n$/)
  const sold = await bitka('order bob sell 0.01 BTC-THB at 1000000')
  expect(sold.out).toMatch(/^bob sells 0\.01 BTC-THB at 1000000: filled .*\n {2}0\.01 {2}at {2}1000000 {2}fee {2}20 /)
  await waitFor(async () => {
    const { out } = await bitka('show alice bob BTC-THB')
    const shown = out.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'NOW')
    expect(shown).toBe(
      [
        'alice',
        '  BTC  0.00999  available  0  locked',
        '  THB    90000  available  0  locked',
        '  NOW  bought  0.01  BTC-THB  at  1000000  fee  0.00001  BTC (maker)',
        '',
        'bob',
        '  BTC  0.99  available  0  locked',
        '  THB  9980  available  0  locked',
        '  NOW  sold  0.01  BTC-THB  at  1000000  fee  20  THB (taker)',
        '',
        'BTC-THB',
        '  last trade  NOW  sell 0.01 at 1000000',
        '  candle 1m   NOW  open 1000000  high 1000000  low 1000000  close 1000000  volume 0.01',
        '  the book is empty',
        '',
      ].join('\n'),
    )
    return true
  })
})

it('register may be repeated; sessions belong to their owner only', async () => {
  expect((await bitka('register carol')).out).toBe('carol  registered and signed in\n')
  expect((await bitka('register carol')).out).toBe('carol  signed in (registered before)\n')
  const folder = join(dataDir, 'cli')
  for (const file of await readdir(folder)) expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600)
  const taken = await bitka('register carol', { BITKA_DATA_DIR: await tempDir() })
  expect(taken).toEqual({ code: 1, out: '', err: 'The name carol is taken by somebody else.\n' })
})

test.each([
  ['dance', 'There is no command dance: see ./bitka help.'],
  ['show nobody', 'Nobody called nobody is registered here: ./bitka register nobody'],
  ['credit nobody=1:BTC', 'There is no user nobody: ./bitka register nobody'],
  ['order dave buy 1 BTC-THB at 1', 'The balance does not cover this.'],
  ['order dave buy 1 NO-PE at 1', 'The field symbol names no market.'],
])('%s is refused in one sentence', async (line, sentence) => {
  await bitka('register dave')
  expect(await bitka(line)).toEqual({ code: 1, out: '', err: `${sentence}\n` })
})

it('says when nothing answers', async () => {
  const { code, err } = await bitka('show BTC-THB', { BITKA_URL: 'http://127.0.0.1:1' })
  expect({ code, err }).toEqual({
    code: 1,
    err: 'No answer from http://127.0.0.1:1. Is the exchange running? Start it with make up.\n',
  })
})

it('the demo trades until Ctrl-C, then cancels its orders', async () => {
  const demo = spawn(process.execPath, ['--tls-min-v1.3', join(root, 'dist/demo.mjs')], { env: env() })
  const ended = once(demo, 'exit')
  let said = ''
  for (const output of [demo.stdout, demo.stderr]) {
    output.on('data', (chunk) => {
      said += chunk
    })
  }
  try {
    await waitFor(() => /[1-9]\d*\.\d trades\/s {2}BTC-THB \d+\.\d\d\/\d+\.\d\d/.test(said), { timeoutMs: 90_000 })
  } finally {
    demo.kill('SIGINT')
  }
  const [code] = await ended
  expect({ code, said }).toEqual({ code: 0, said: expect.stringMatching(/Cancelled \d+ orders\.\n$/) })
  for (const status of ['open', 'partially_filled']) {
    const { items } = dataOf((await exchange.operator.get('/v1/admin/users?query=market-maker')).body)
    expect(items).toHaveLength(2)
    for (const { id } of items) {
      const open = () => exchange.operator.get(`/v1/orders?user_id=${id}&status=${status}`)
      await waitFor(async () => dataOf((await open()).body).items.length === 0)
    }
  }
})
