import { serviceTable } from '@bitka/deploy/table'
import { openDb, schemaName } from '@bitka/store'
import { waitFor } from '@bitka/testkit'
import { StackWorld } from './world.ts'

const seed = Number(process.env.BITKA_SEED ?? Date.now() % 1_000_000)
const REPLICA_STEP = 5
/** Longer than the edge waits for an answer: one that is only slow is no failure. */
const PATIENCE_MS = 20_000
let world: StackWorld

beforeAll(async () => {
  console.log(`replacement: seed ${seed} (BITKA_SEED)`)
  world = new StackWorld(seed, PATIENCE_MS)
  await world.load.setUp()
}, 300_000)

async function ready(metricsPort: number): Promise<void> {
  await waitFor(async () => (await fetch(`http://127.0.0.1:${metricsPort}/readyz`)).status === 200, {
    timeoutMs: 120_000,
    what: `the replica at ${metricsPort}`,
  })
}

/** What a release one step ahead has done to every schema: a migration that the running code does not know. */
async function oneMigrationAhead(): Promise<() => Promise<void>> {
  const db = openDb({ url: world.databaseUrl, schema: 'public', poolSize: 1 })
  const schemas = serviceTable.filter(({ database }) => database).map(({ name }) => schemaName(name))
  for (const schema of schemas) {
    await db.query(`alter table "${schema}".outbox add column next_release text`)
    await db.query(`insert into "${schema}".migrations (number, file, checksum)
      select max(number) + 1, 'next_release.sql', 'next' from "${schema}".migrations`)
  }
  return async () => {
    for (const schema of schemas) {
      await db.query(`alter table "${schema}".outbox drop column next_release`)
      await db.query(`delete from "${schema}".migrations where file = 'next_release.sql'`)
    }
    await db.close()
  }
}

test('each service is replaced under load, old beside new, over a schema that is one migration ahead', async () => {
  const { controls } = world.stack
  const undo = await oneMigrationAhead()
  try {
    world.load.start()
    await waitFor(() => world.load.acknowledged.size > 20, { timeoutMs: 120_000, what: 'work under way' })
    for (const { name, metricsPort } of serviceTable) {
      await controls.start(`${name}-2`)
      await ready(metricsPort + REPLICA_STEP)
      // Work that both take part in.
      const before = world.load.acknowledged.size
      await waitFor(() => world.load.acknowledged.size > before + 20, {
        timeoutMs: 120_000,
        what: `work with two of ${name}`,
      })
      expect({ name, code: await controls.stop(name) }).toEqual({ name, code: 0 })
      await controls.start(name)
      await ready(metricsPort)
      expect({ name, code: await controls.stop(`${name}-2`) }).toEqual({ name, code: 0 })
    }
    const { serverErrors, unknown } = world.load.counts
    await world.load.stop()
    expect({ serverErrors, unknown }).toEqual({ serverErrors: 0, unknown: 0 })
    await world.checkEverything()
    await world.expectWholeLog()
  } finally {
    await world.load.stop()
    await undo()
  }
}, 900_000)
