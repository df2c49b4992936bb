import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { repositoryFolder } from '@bitka/service'
import { seeded, waitFor } from '@bitka/testkit'
import { expiries } from './identity/svid-metrics.ts'
import { StackWorld } from './world.ts'

const seed = Number(process.env.BITKA_SEED ?? Date.now() % 1_000_000)
const random = seeded(seed)
let world: StackWorld

beforeAll(() => console.log(`identity faults: seed ${seed} (BITKA_SEED)`))

// People of its own for each test: what they did is asked for again at its end, and takes as long as it was much.
beforeEach(async () => {
  world = new StackWorld(random.int(1_000_000))
  await world.load.setUp()
}, 120_000)

const nowS = (): number => Date.now() / 1_000

/** The roots that everybody trusts, the signing one first, as the identity process has written them for all to read. */
const roots = (): string[] =>
  readFileSync(join(world.stack.identityDir, 'bundle', 'bundle.pem'), 'utf8').match(/-----BEGIN[^-]+-----[^-]+/g) ?? []

/** Seconds that the certificates of all services have left: the shortest and the longest. */
async function left(): Promise<{ least: number; most: number }> {
  const all = [...(await expiries()).values()].map((atS) => atS - nowS())
  return { least: Math.min(...all), most: Math.max(...all) }
}

/** How long a certificate of this stack lives, seconds: `make test-stack` says 120. */
async function ttlS(): Promise<number> {
  const pid = await world.stack.pid('identity')
  const ttl = Number(/BITKA_SVID_TTL_S=(\d+)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1])
  if (!(ttl <= 300)) throw new Error(`certificates live ${ttl} s here: start the stack with BITKA_SVID_TTL_S=120`)
  return ttl
}

/** Everybody has a certificate that is almost as long as they get. */
const fresh = (ttl: number) =>
  waitFor(async () => (await left()).least > ttl * 0.75, {
    timeoutMs: 60_000,
    intervalMs: 250,
    what: 'a fresh certificate in every service',
  })

/** What /readyz said, and what it named, while something ran. */
async function watched(run: () => Promise<void>): Promise<{ statuses: number[]; names: string[] }> {
  const statuses = new Set<number>()
  const names = new Set<string>()
  let done = false
  const watch = (async () => {
    while (!done) {
      try {
        const response = await fetch(`${world.stack.url}/readyz`, { signal: AbortSignal.timeout(5_000) })
        statuses.add(response.status)
        const { dependencies = [] } = (await response.json()) as { dependencies?: { name: string; ok: boolean }[] }
        for (const { name, ok } of dependencies) if (!ok) names.add(name)
      } catch {
        statuses.add(0)
      }
      await pause(100)
    }
  })()
  try {
    await run()
  } finally {
    done = true
    await watch
  }
  return { statuses: [...statuses], names: [...names] }
}

/** Work that people wait for goes on: this many more orders and transfers are acknowledged. */
async function work(count = 20): Promise<void> {
  const before = world.load.acknowledged.size
  await waitFor(() => world.load.acknowledged.size >= before + count, { timeoutMs: 60_000, what: 'work that goes on' })
}

/** Trades before, during and after the fault, then holds every promise against what is there. */
async function under(fault: () => Promise<void>): Promise<void> {
  const { load } = world
  await world.ready()
  load.start()
  try {
    await work()
    const { statuses, names } = await watched(async () => {
      await pause(random.int(1_000))
      await fault()
      await work()
    })
    // Nobody's certificate ended: whatever a busy machine makes slow, it is not identity, and the edge answers.
    expect(names).not.toContain('identity')
    expect(statuses).not.toContain(0)
  } finally {
    await load.stop()
  }
  await world.checkEverything()
}

/** Nobody notices: each answer is the one that was asked for, and readiness says ready all the time. */
async function unnoticed(run: () => Promise<void>): Promise<void> {
  const { serverErrors, unknown } = world.load.counts
  const { statuses } = await watched(run)
  expect(statuses).toEqual([200])
  const { counts } = world.load
  expect({ serverErrors: counts.serverErrors, unknown: counts.unknown }).toEqual({ serverErrors, unknown })
}

test('the identity process is away for longer than half the life of a certificate', async () => {
  const ttl = await ttlS()
  await under(async () => {
    // A restart issues to everybody, so that all have their whole life before them.
    await world.stack.kill('identity')
    await fresh(ttl)
    await world.stack.controls.stop('identity')
    // What was renewed last may still be taking its place.
    await waitFor(async () => (await left()).most < ttl * 0.75, { timeoutMs: ttl * 1_000, intervalMs: 500 })
    await unnoticed(async () => {
      await waitFor(async () => (await left()).most < ttl / 2 - 5, {
        timeoutMs: ttl * 1_000,
        intervalMs: 500,
        what: 'half of every certificate to be over',
      })
      await work()
    })
    expect((await left()).least).toBeGreaterThan(0)
    await world.stack.controls.start('identity')
    await fresh(ttl)
  })
}, 400_000)

test('the identity process comes back with another root', async () => {
  const ttl = await ttlS()
  await under(async () => {
    const [old] = roots()
    await world.stack.controls.stop('identity')
    const staged = spawnSync(process.execPath, [join(repositoryFolder('dist'), 'identity.mjs'), '--stage-root'], {
      env: { BITKA_IDENTITY_DIR: world.stack.identityDir },
      encoding: 'utf8',
    })
    expect({ status: staged.status, stderr: staged.stderr }).toEqual({ status: 0, stderr: '' })
    const before = await expiries()
    await world.stack.controls.start('identity')
    // Known first: the old one signs until everybody has had the time to ask.
    await waitFor(() => roots().length > 1, { timeoutMs: 10_000, what: 'the new root to be known' })
    expect(roots()[0]).toBe(old)
    await waitFor(() => roots()[0] !== old, { timeoutMs: 60_000, intervalMs: 50, what: 'the new root to sign' })
    expect(roots()).toContain(old)
    await fresh(ttl)
    for (const [name, atS] of await expiries())
      expect({ name, renewed: atS > (before.get(name) ?? 0) }).toEqual({ name, renewed: true })
  })
}, 300_000)

test('the identity process is killed in the middle of a change of root', async () => {
  const ttl = await ttlS()
  await under(async () => {
    const [old, ...others] = roots()
    await world.stack.kill('identity', 'SIGHUP')
    await waitFor(() => roots().length === others.length + 2, {
      timeoutMs: 10_000,
      intervalMs: 10,
      what: 'the new root to be known',
    })
    await pause(random.int(3_000))
    await world.stack.kill('identity')
    const fromDisk = roots()
    expect(fromDisk[0]).toBe(old)
    await waitFor(() => roots()[0] !== old, {
      timeoutMs: 60_000,
      intervalMs: 50,
      what: 'the new root to sign after all',
    })
    // The same one, not a third.
    expect(fromDisk).toContain(roots()[0])
    await fresh(ttl)
  })
}, 300_000)

test('the log has every command and every result, none twice', async () => {
  await waitFor(async () => expect(await world.logGaps()).toEqual([]) ?? true, { timeoutMs: 30_000, intervalMs: 1_000 })
}, 60_000)
