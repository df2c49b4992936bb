import { statSync } from 'node:fs'
import { join } from 'node:path'
import { attachStack } from '@bitka/deploy/native'
import { infrastructure, serviceTable } from '@bitka/deploy/table'
import { waitFor } from '@bitka/testkit'
import { buildSpiffeCheck, check, isUpdate, type Running, startCheck, type Update } from './identity/spiffe-check.ts'
import { expiries } from './identity/svid-metrics.ts'

const stack = attachStack()
const isRoot = process.getuid?.() === 0
const workloads = [...serviceTable, ...infrastructure]
const idOf = (name: string): string => `spiffe://bitka.local/ns/bitka/sa/${name}`
const socketOf = (name: string): string => join(stack.identityDir, 'sockets', `${name}.sock`)
const uidOf = (name: string): number | undefined =>
  isRoot ? workloads.find((row) => row.name === name)?.uid : undefined
const portOf = (name: string): number => serviceTable.find((row) => row.name === name)?.port ?? 0

let program: string
const running: Running[] = []
beforeAll(async () => {
  program = await buildSpiffeCheck()
}, 600_000)
afterEach(() => {
  for (const { child } of running.splice(0)) child.kill('SIGKILL')
})

/** Runs a check of go-spiffe as the workload of this name. */
const as = (name: string, verb: string, ...args: string[]) =>
  check(program, [verb, '-socket', `unix:${socketOf(name)}`, ...args], uidOf(name))

function watchAs(name: string, updates: number): { updates: () => Update[]; all: Running } {
  const all = startCheck(
    program,
    ['watch', '-socket', `unix:${socketOf(name)}`, '-id', idOf(name), '-updates', String(updates), '-timeout', '100s'],
    uidOf(name),
  )
  running.push(all)
  return { updates: () => all.lines.filter(isUpdate), all }
}

describe('go-spiffe, which is not ours,', () => {
  it.each(workloads.map(({ name }) => name))(
    'fetches and verifies the identity of %s, under its account',
    async (name) => {
      const { code, stderr, lines } = await as(name, 'watch', '-id', idOf(name), '-updates', '1')
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(lines).toEqual([expect.objectContaining({ id: idOf(name), svids: 1 })])
    },
  )

  it('fetches the roots, the same by every socket', async () => {
    const answers = await Promise.all(
      ['gateway', 'ledger', 'envoy'].map((name) => as(name, 'bundles', '-domain', 'bitka.local')),
    )
    expect(answers.map(({ code }) => code)).toEqual([0, 0, 0])
    expect(new Set(answers.map(({ lines }) => JSON.stringify(lines))).size).toBe(1)
  })

  it('is refused without the security header', async () => {
    expect((await as('gateway', 'headless')).lines).toEqual([{ code: 'InvalidArgument' }])
  })

  it('speaks to a service that has exactly the ID it expects', async () => {
    const address = `localhost:${portOf('ledger')}`
    const { code, stderr, lines } = await as('order', 'dial', '-address', address, '-peer', idOf('ledger'))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(lines).toEqual([{ peer: idOf('ledger'), tls: 'TLS 1.3', alpn: 'h2' }])
  })

  it('speaks to no service that has another', async () => {
    const address = `localhost:${portOf('ledger')}`
    const { code, stderr } = await as('order', 'dial', '-address', address, '-peer', idOf('audit'))
    expect(code).toBe(1)
    expect(stderr).toContain(`unexpected ID "${idOf('ledger')}"`)
  })
})

it('keeps each socket from every other account', async () => {
  for (const { name, uid } of workloads) {
    const { mode, uid: owner } = statSync(socketOf(name))
    expect({ name, mode: mode & 0o777, owner }).toEqual({ name, mode: 0o600, owner: isRoot ? uid : process.getuid?.() })
  }
  // Only root can be somebody else; for others the owner and the mode above are all there is to see.
  const stranger = isRoot ? uidOf('audit') : undefined
  if (stranger === undefined) return
  const { code, stderr } = await check(
    program,
    ['watch', '-socket', `unix:${socketOf('ledger')}`, '-id', idOf('ledger'), '-timeout', '3s'],
    stranger,
  )
  expect(code).toBe(1)
  expect(stderr).toContain('only 0 of 1 updates came')
})

it('makes a new root known to everybody before it signs', async () => {
  // More updates than there will be: certificates are renewed all the time, also in the middle of this.
  const watch = watchAs('ledger', 1_000)
  const before = await waitFor(() => watch.updates().at(-1), { what: 'the first update' })
  await stack.kill('identity', 'SIGHUP')
  const known = await waitFor(
    () => watch.updates().find(({ roots }) => roots.some((root) => !before.roots.includes(root))),
    { timeoutMs: 60_000, what: 'the new root to be known' },
  )
  const [fresh] = known.roots.filter((root) => !before.roots.includes(root))
  const signing = await waitFor(() => watch.updates().find(({ signedBy }) => signedBy === fresh), {
    timeoutMs: 60_000,
    what: 'the new root to sign',
  })
  // Roots of earlier changes go once the last certificate of theirs is past, which may be now.
  const [old] = before.roots
  expect([known.roots[0], known.roots.at(-1)]).toEqual([old, fresh])
  expect([before.signedBy, known.signedBy]).toEqual([old, old])
  expect(signing.signedBy).toBe(fresh)
  expect(signing.roots[0]).toBe(fresh)
  expect(signing.roots).toContain(old)
  expect(new Set([before.serial, known.serial, signing.serial]).size).toBe(3)
  // Long enough for programs that read files once in a while. By when they were issued, not by when we saw them.
  expect(Date.parse(signing.notBefore) - Date.parse(known.notBefore)).toBeGreaterThan(3_000)
  // go-spiffe has verified each of them, or it would have ended.
  expect(watch.all.child.exitCode).toBeNull()
  await ready()
}, 180_000)

const ready = (): Promise<unknown> =>
  waitFor(async () => (await fetch(`${stack.url}/readyz`)).status === 200, { what: 'the stack to be ready' })

it('serves everybody again after the identity process was killed', async () => {
  const before = await expiries()
  const watch = watchAs('order', 2)
  await waitFor(() => watch.updates().length === 1, { what: 'the first update' })
  await stack.kill('identity')
  expect((await watch.all.done).code).toBe(0)
  const [first, second] = watch.updates()
  expect(second?.serial).not.toBe(first?.serial)
  expect(second?.signedBy).toBe(first?.signedBy)
  // And our own client, in every service.
  await waitFor(
    async () => [...(await expiries())].every(([name, atS]) => atS > (before.get(name) ?? Number.POSITIVE_INFINITY)),
    { timeoutMs: 120_000, intervalMs: 500, what: 'a new certificate in every service' },
  )
  await ready()
}, 300_000)
