import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Trader } from './command-records.ts'
import { type Exchange, hashOf, startExchange } from './exchange.ts'

const child = fileURLToPath(new URL('runner-child.ts', import.meta.url))

describe('an engine that is killed', () => {
  let exchange: Exchange
  beforeEach(async () => {
    exchange = await startExchange()
  })
  afterEach(() => exchange.stop())

  /** Runs an engine until it kills itself at the crash point; answers the signal it died of. */
  function dieAt(point: string, snapshotEvery: number): Promise<string | null> {
    const { appUrl } = exchange.platform.database.of('matching')
    const args = ['--import', 'tsx', '-C', '@bitka/source', child, appUrl, String(snapshotEvery)]
    const env = { ...process.env, NODE_OPTIONS: '', BITKA_CRASH_POINT: point }
    const running = spawn(process.execPath, args, { env, stdio: ['ignore', 'inherit', 'inherit'] })
    return new Promise((resolve) => running.once('exit', (_, signal) => resolve(signal)))
  }

  it.each([
    // where, snapshot every, results in the log when it dies
    ['matching.applied', 10_000, 0],
    ['matching/matching.appended', 10_000, 201],
    ['matching/log.after-fenced-append', 10_000, 201],
    ['matching.snapshot.before', 50, 201],
    ['matching.snapshot.after', 50, 201],
  ])('at %s neither loses nor repeats a result', async (point, snapshotEvery, before) => {
    const trader = new Trader('AAA-BBB').orders(200)
    await exchange.send(trader)
    expect(await dieAt(point, snapshotEvery)).toBe('SIGKILL')
    expect(await exchange.results()).toHaveLength(before)
    await exchange.send(trader.orders(20))
    const runner = exchange.run()
    await exchange.settled(trader)
    expect(await hashOf(runner, 'AAA-BBB')).toBe(trader.engine().stateHash())
  })
})
