import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { cp, mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type EmbeddedPostgres, startPostgres } from '@bitka/embedded-pg'
import { silentLogger } from '@bitka/kernel'
import { repositoryFolder } from '@bitka/service'
import { databaseUrl } from '@bitka/store'
import { tempDir, waitFor } from '@bitka/testkit'
import pg from 'pg'
import { StackWorld } from './world.ts'

const seed = Number(process.env.BITKA_SEED ?? Date.now() % 1_000_000)
const run = promisify(execFile)
const program = repositoryFolder('dist/backup.mjs')
/** How every file that age has sealed begins. */
const AGE = 'age-encryption.org/v1\n'

let world: StackWorld
let folder: string
const servers: EmbeddedPostgres[] = []
/** A name that is in the database, and in nothing that was sealed. */
const name = `sealed-${randomUUID().slice(0, 8)}`
const place = (name: string): string => join(folder, name)
const passwordIn = (url: string): string => decodeURIComponent(new URL(url).password)

beforeAll(async () => {
  console.log(`backup: seed ${seed} (BITKA_SEED)`)
  folder = await tempDir()
  world = new StackWorld(seed)
  await world.load.setUp()
  const registered = await fetch(`${world.stack.url}/v1/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: name, email: `${name}@example.com`, password: randomUUID() }),
  })
  expect(registered.status).toBe(201)
}, 300_000)

afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()))
})

type Outcome = { code: number; out: string; said: string }

/** Runs the program as an operator would; answers how it ended. */
async function backup(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  const options = { env: { PATH: process.env.PATH, BITKA_BACKUP_FOLDER: place('store'), ...env }, maxBuffer: 1 << 26 }
  try {
    const { stdout, stderr } = await run(process.execPath, ['--tls-min-v1.3', program, ...args], options)
    return { code: 0, out: stdout, said: stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, out: stdout, said: stderr }
  }
}

/** What the machine of the database has: the public key to seal for, and its own key to sign with. */
const onServer = (): Record<string, string> => ({
  BITKA_BACKUP_DB_URL: world.stack.postgres.adminUrl,
  BITKA_BACKUP_DATA_DIR: world.stack.postgres.dataDir,
  BITKA_BACKUP_RECIPIENTS_FILE: place('recipients'),
  BITKA_BACKUP_SIGNING_KEY_FILE: place('signing-key'),
})

/** Who compares the database with the event log. */
const withLog = (): Record<string, string> => ({
  BITKA_BACKUP_KAFKA_BROKERS: world.stack.kafka.brokers,
  BITKA_BACKUP_IDENTITY_SOCKET: `${world.stack.identityDir}/sockets/kafka-admin.sock`,
})

/** What the operator brings to restore. */
const atRestore = (): Record<string, string> => ({
  BITKA_BACKUP_IDENTITY_FILE: place('identity'),
  BITKA_BACKUP_SIGNERS_FILE: place('signers'),
  BITKA_BACKUP_ADMIN_PASSWORD: passwordIn(world.stack.postgres.adminUrl),
})

const restoreArgs = (to: string, target = 'backup'): string[] => [
  'restore',
  ...['--data-dir', place(`${to}/data`), '--target', target],
]

const filesBelow = async (path: string): Promise<string[]> =>
  (await readdir(path, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()

/** Which of these a table has. */
async function present(url: string, table: string, ids: readonly string[]): Promise<Set<string>> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ id: string }>(`select id from ${table} where id = any ($1::uuid[])`, [ids])
    return new Set(rows.map(({ id }) => id))
  } finally {
    await client.end()
  }
}

/** A transfer is known to its owner by the number of their posting. */
const acknowledged = (kind: 'order' | 'transfer'): string[] =>
  [...world.load.acknowledged.values()].filter((done) => done.kind === kind).map(({ id }) => id)

/** A copy of the store with the newest base backup changed. */
async function damaged(copy: string, damage: (file: string) => Promise<void>): Promise<Record<string, string>> {
  await cp(place('store'), place(copy), { recursive: true })
  const file = (await filesBelow(place(copy))).find((path) => path.endsWith('base.tar.gz.age'))
  await damage(file ?? '')
  return { ...atRestore(), BITKA_BACKUP_FOLDER: place(copy) }
}

async function expectNothingAt(restoredTo: string): Promise<void> {
  expect(await readdir(place(`${restoredTo}/data`)).catch(() => [])).toEqual([])
}

test('a backup is taken under load, restored into an empty PostgreSQL and ends with verified sums', async () => {
  const recipient = await backup(['keygen', '--out', place('identity')])
  expect(recipient.out).toMatch(/^age1/)
  expect((await stat(place('identity'))).mode & 0o777).toBe(0o600)
  await writeFile(place('recipients'), recipient.out)
  await writeFile(place('signers'), (await backup(['signing-keygen', '--out', place('signing-key')])).out)

  world.load.start()
  await waitFor(() => acknowledged('order').length > 40 && acknowledged('transfer').length > 20, {
    timeoutMs: 60_000,
    what: 'work under way',
  })
  const before = { orders: acknowledged('order'), transfers: acknowledged('transfer') }
  const taken = await backup(['backup'], onServer())
  const after = world.load.acknowledged.size
  // The log goes on beyond what the backup has, which is held against it below.
  const orders = acknowledged('order').length
  await waitFor(() => acknowledged('order').length > orders + 10, {
    timeoutMs: 60_000,
    what: 'orders after the backup',
  })
  await world.load.stop()
  expect(taken).toMatchObject({ code: 0 })
  // The exchange worked on meanwhile.
  expect(after).toBeGreaterThan(before.orders.length + before.transfers.length)
  expect((await backup(['list'])).out).toMatch(/^\d{8}T\d{9}Z {2}finished \S+ {2}\d+ bytes\n$/)

  const restored = await backup(restoreArgs('first'), atRestore())
  console.log(restored.out + restored.said)
  expect(restored).toMatchObject({ code: 0 })
  const lines = restored.out.split('\n')
  expect(lines).toContain('ok    every balance is the sum of its postings')
  expect(lines).toContain('ok    the audit log is one unbroken chain')
  expect(lines.filter((line) => line.startsWith('WRONG'))).toEqual([])
  const sums = lines.filter((line) => line.startsWith('sum'))
  expect(sums.map((line) => line.split(' all ')[1])).toEqual(sums.map(() => '0'))
  expect(sums.some((line) => line.includes('THB: users ') && !line.includes('users 0,'))).toBe(true)

  // The restored server is a server like any other, and everything that had been acknowledged is in it.
  const server = await startPostgres({ dataDir: place('first/data'), log: silentLogger })
  servers.push(server)
  const url = databaseUrl(server.adminUrl, { database: 'bitka' })
  expect(await present(url, '"order".orders', before.orders)).toEqual(new Set(before.orders))
  expect(await present(url, 'ledger.postings', before.transfers)).toEqual(new Set(before.transfers))
  expect(await backup(['verify', '--url', server.adminUrl])).toMatchObject({ code: 0 })
}, 300_000)

test('the exchange that was backed up is as it was', async () => {
  await world.checkEverything()
  const verified = await backup(['verify'], { ...onServer(), ...withLog() })
  expect(verified.said).toBe('')
  expect(verified).toMatchObject({ code: 0 })
  expect(verified.out).toContain('ok    no event position is ahead of the log\n')
  expect(verified.out).toContain('ok    the log has no command that the database never gave\n')
}, 600_000)

test('a database that was restored is told from its newer log', async () => {
  const url = servers[0]?.adminUrl ?? ''
  const verified = await backup(['verify', '--url', url], withLog())
  expect(verified).toMatchObject({ code: 1 })
  expect(verified.said).toContain('not true that the log has no command that the database never gave')
}, 180_000)

test('the stored files show nothing to who has no key', async () => {
  const contains = async (path: string): Promise<boolean> => (await readFile(path)).includes(name)
  // It is in the database's own files, so its absence below says something. A running server removes some of them meanwhile.
  const ownFiles = await filesBelow(join(world.stack.postgres.dataDir, 'base'))
  const own = await Promise.all(ownFiles.map((path) => contains(path).catch(() => false)))
  expect(own.includes(true)).toBe(true)

  const stored = await filesBelow(place('store'))
  expect(stored.length).toBeGreaterThanOrEqual(2)
  for (const path of stored) {
    expect(await contains(path)).toBe(false)
    expect((await stat(path)).mode & 0o077).toBe(0)
    const content = await readFile(path)
    if (path.endsWith('.json')) continue
    expect(content.subarray(0, AGE.length).toString('latin1')).toBe(AGE)
  }
  // The key that opens them is nowhere near them.
  const [secret = ''] = (await readFile(place('identity'), 'utf8'))
    .split('\n')
    .filter((line) => line.startsWith('AGE-'))
  for (const path of stored) expect((await readFile(path)).includes(secret)).toBe(false)
}, 300_000)

test('another key opens nothing', async () => {
  await backup(['keygen', '--out', place('other-identity')])
  const env = { ...atRestore(), BITKA_BACKUP_IDENTITY_FILE: place('other-identity') }
  const refused = await backup(restoreArgs('other'), env)
  expect(refused).toMatchObject({ code: 1, said: expect.stringContaining('does not open this backup') })
  await expectNothingAt('other')
}, 180_000)

test('a backup of somebody else is not restored', async () => {
  const signers = place('other-signers')
  await writeFile(signers, (await backup(['signing-keygen', '--out', place('other-signing-key')])).out)
  const refused = await backup(restoreArgs('foreign'), { ...atRestore(), BITKA_BACKUP_SIGNERS_FILE: signers })
  expect(refused).toMatchObject({ code: 1, said: expect.stringContaining('was not signed with a key of') })
  await expectNothingAt('foreign')
}, 180_000)

test('a backup that was changed or cut off is not restored', async () => {
  const changed = await damaged('changed-store', async (file) => {
    const content = await readFile(file)
    const at = Math.floor(content.length / 2)
    content[at] = (content[at] ?? 0) ^ 1
    await writeFile(file, content)
  })
  const cut = await damaged('cut-store', async (file) => truncate(file, Math.floor((await stat(file)).size * 0.9)))
  for (const [to, env] of [
    ['changed', changed],
    ['cut', cut],
  ] as const) {
    const refused = await backup(restoreArgs(to), env)
    expect(refused).toMatchObject({ code: 1, said: expect.stringContaining('damaged, or was changed') })
    await expectNothingAt(to)
  }
}, 300_000)

test('a restore never overwrites anything', async () => {
  await mkdir(place('full/data'), { recursive: true })
  await writeFile(place('full/data/something'), 'of value')
  const refused = await backup(restoreArgs('full'), atRestore())
  expect(refused).toMatchObject({ code: 1, said: expect.stringContaining('is not empty') })
  expect(await readFile(place('full/data/something'), 'utf8')).toBe('of value')
}, 180_000)
