import { setTimeout as pause } from 'node:timers/promises'
import { seeded, waitFor } from '@bitka/testkit'
import { StackWorld } from './world.ts'

const seed = Number(process.env.BITKA_SEED ?? Date.now() % 1_000_000)
const random = seeded(seed)
let world: StackWorld

beforeAll(() => console.log(`faults: seed ${seed} (BITKA_SEED)`))

// People of its own for each test: what they did is asked for again at its end, and takes as long as it was much.
beforeEach(async () => {
  world = new StackWorld(random.int(1_000_000))
  await world.load.setUp()
}, 300_000)

/** Trades before, during and after the fault, then holds everything against its promises. */
async function under(fault: () => Promise<void>): Promise<void> {
  const before = world.load.acknowledged.size
  world.load.start()
  try {
    await waitFor(() => world.load.acknowledged.size > before + 20, { timeoutMs: 120_000, what: 'work under way' })
    await pause(random.int(300))
    await fault()
    const after = world.load.acknowledged.size
    await waitFor(() => world.load.acknowledged.size > after + 20, { timeoutMs: 120_000, what: 'work after the fault' })
  } finally {
    await world.load.stop()
  }
  await world.checkEverything()
}

test('Kafka is killed and comes back', async () => {
  await under(async () => {
    const seen = await world.watching(async () => {
      await world.stack.kill('kafka')
      await waitFor(async () => (await world.readiness()) === 503, { what: 'readiness to say that the log is gone' })
      await world.ready()
    })
    expect(seen).toContain(503)
  })
}, 600_000)

test('PostgreSQL is killed and comes back', async () => {
  await under(async () => {
    await world.stack.kill('postgres')
    await world.ready()
  })
}, 600_000)

test('Envoy is killed and comes back', async () => {
  await under(async () => {
    await world.stack.kill('envoy')
    await waitFor(async () => (await world.readiness()) === 0, { intervalMs: 5, timeoutMs: 10_000 }).catch(() => {})
    await world.ready()
  })
}, 600_000)

const services = ['order', 'ledger', 'matching', 'market-data', 'auth', 'gateway', 'user', 'notification', 'audit']

test('any service is killed and comes back', async () => {
  await under(async () => {
    for (const name of services) {
      await pause(random.int(300))
      await world.stack.kill(name)
      if (random.next() < 0.5) await world.ready()
    }
    await world.ready()
  })
}, 600_000)

test.each(['order', 'ledger', 'matching', 'market-data'])(
  '%s stands still for a while and goes on',
  async (name) => {
    await under(async () => {
      const pid = await world.stack.pid(name)
      const seen = await world.watching(async () => {
        process.kill(pid, 'SIGSTOP')
        try {
          await waitFor(async () => (await world.readiness()) === 503, { what: `readiness without ${name}` })
          await pause(2_000)
        } finally {
          process.kill(pid, 'SIGCONT')
        }
        await world.ready()
      })
      expect(seen).toContain(503)
    })
  },
  600_000,
)

test('consumers that were away for a while catch up', async () => {
  await under(async () => {
    for (const name of ['market-data', 'notification', 'audit']) await world.stack.controls.stop(name)
    const before = world.load.acknowledged.size
    await waitFor(() => world.load.acknowledged.size > before + 30, { what: 'trade without them', timeoutMs: 120_000 })
    for (const name of ['market-data', 'notification', 'audit']) await world.stack.controls.start(name)
    await world.ready()
  })
}, 600_000)

test('the log has every command and every result, none twice', async () => {
  await world.expectWholeLog()
}, 600_000)
