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
/** Longer than the edge waits for an answer. */
const PATIENCE_MS = 20_000
let world: StackWorld

beforeAll(() => console.log(`identity faults: seed ${seed} (BITKA_SEED)`))

// People of its own for each test: what they did is asked for again at its end, and takes as long as it was much.
beforeEach(async () => {
  // Patient ones: no answer is missed only because it was slow.
  world = new StackWorld(random.int(1_000_000), PATIENCE_MS)
  await world.load.setUp()
}, 300_000)

const nowS = (): number => Date.now() / 1_000

/** The roots that everybody trusts, the signing one first, as the identity process has written them for all to read. */
const roots = (): string[] =>
  readFileSync(join(world.stack.identityDir, 'bundle', 'bundle.pem'), 'utf8').match(/-----BEGIN[^-]+-----[^-]+/g) ?? []

/** Whether a root is known that was not before. Those of earlier changes may go at any time. */
const hasNew = (earlier: readonly string[]): boolean => roots().some((root) => !earlier.includes(root))

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
    timeoutMs: ttl * 1_000,
    intervalMs: 250,
    what: 'a fresh certificate in every service',
  })

/** What /readyz said each time, and what it named, while something ran. */
async function watched(run: () => Promise<void>): Promise<{ statuses: number[]; names: string[] }> {
  const statuses: number[] = []
  const names = new Set<string>()
  let done = false
  const watch = (async () => {
    while (!done) {
      try {
        const response = await fetch(`${world.stack.url}/readyz`, {
          signal: AbortSignal.timeout(PATIENCE_MS),
        })
        statuses.push(response.status)
        const { dependencies = [] } = (await response.json()) as { dependencies?: { name: string; ok: boolean }[] }
        for (const { name, ok } of dependencies) if (!ok) names.add(name)
      } catch {
        statuses.push(0)
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
  return { statuses, names: [...names] }
}

/** Work that people wait for goes on: this many more orders and transfers are acknowledged. */
async function work(count = 20): Promise<void> {
  const before = world.load.acknowledged.size
  await waitFor(() => world.load.acknowledged.size >= before + count, { timeoutMs: 120_000, what: 'work that goes on' })
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

/** Nobody notices: each answer is the one that was asked for, and readiness says ready, but for a check that was slow. */
async function unnoticed(run: () => Promise<void>): Promise<void> {
  const { serverErrors, unknown } = world.load.counts
  const { statuses } = await watched(run)
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(statuses.length * 0.9)
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
}, 600_000)

test('the identity process comes back with another root', async () => {
  const ttl = await ttlS()
  await under(async () => {
    const earlier = roots()
    const [old] = earlier
    await world.stack.controls.stop('identity')
    const staged = spawnSync(process.execPath, [join(repositoryFolder('dist'), 'identity.mjs'), '--stage-root'], {
      env: { BITKA_IDENTITY_DIR: world.stack.identityDir },
      encoding: 'utf8',
    })
    expect({ status: staged.status, stderr: staged.stderr }).toEqual({ status: 0, stderr: '' })
    const before = await expiries()
    await world.stack.controls.start('identity')
    // Known first: the old one signs until everybody has had the time to ask.
    await waitFor(() => hasNew(earlier), { what: 'the new root to be known' })
    expect(roots()[0]).toBe(old)
    await waitFor(() => roots()[0] !== old, { timeoutMs: 120_000, intervalMs: 50, what: 'the new root to sign' })
    expect(roots()).toContain(old)
    await fresh(ttl)
    for (const [name, atS] of await expiries())
      expect({ name, renewed: atS > (before.get(name) ?? 0) }).toEqual({ name, renewed: true })
  })
}, 600_000)

test('the identity process is killed in the middle of a change of root', async () => {
  const ttl = await ttlS()
  await under(async () => {
    const earlier = roots()
    const [old] = earlier
    await world.stack.kill('identity', 'SIGHUP')
    await waitFor(() => hasNew(earlier), { intervalMs: 10, what: 'the new root to be known' })
    // Well within the five seconds that it is known and does not sign.
    await pause(random.int(2_000))
    await world.stack.kill('identity')
    const fromDisk = roots()
    expect(fromDisk[0]).toBe(old)
    await waitFor(() => roots()[0] !== old, {
      timeoutMs: 120_000,
      intervalMs: 50,
      what: 'the new root to sign after all',
    })
    // The same one, not a third.
    expect(fromDisk).toContain(roots()[0])
    await fresh(ttl)
  })
}, 600_000)

test('the log has every command and every result, none twice', async () => {
  await world.expectWholeLog()
}, 240_000)
