import { appendFile, chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type EmbeddedPostgres, startPostgres } from '@bitka/embedded-pg'
import { newId, silentLogger } from '@bitka/kernel'
import { repositoryFolder } from '@bitka/service'
import { appRole, bootstrapDatabase, createDatabase, databaseUrl, migrate, ownerRole } from '@bitka/store'
import { seeded, tempDir, waitFor } from '@bitka/testkit'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import pg from 'pg'
import { chain, GENESIS } from '../../services/audit/src/domain/chain.ts'
import { takeBackup } from './base-backup.ts'
import { baseKey, listBackups } from './manifest.ts'
import { prepareForNewLog } from './new-log.ts'
import { type RestoreTarget, restore } from './restore.ts'
import { prune } from './retention.ts'
import { backupOnce } from './run.ts'
import { openWith, sealFor } from './seal.ts'
import { type CheckSignature, newSigningKey, type Sign, signedByOneOf, signWith } from './sign.ts'
import { folderStore } from './store.ts'
import { verify } from './verify.ts'
import { archivedWal, archiveSettings, readWal, shipWal } from './wal.ts'

const seed = Number(process.env.BITKA_SEED ?? Date.now() % 1_000_000)
const FAST = { fsync: 'off' }
const ACCOUNTS = 8
const MARKER = 'somebody-whose-name-is-in-the-database'

/** A transfer as the ledger books it, in one statement of ours. */
const MOVE = `
  create function ledger.move(p_tx uuid, p_from uuid, p_to uuid, p_amount numeric) returns void
  language plpgsql set search_path = ledger as $$
  begin
    perform from accounts where id in (p_from, p_to) order by id for update;
    insert into transactions (id, kind, created_at, author) values (p_tx, 'transfer', now(), 'test');
    update accounts set available = available + case id when p_to then p_amount else -p_amount end,
      posting_count = posting_count + 1 where id in (p_from, p_to);
    insert into postings (id, tx_id, account_id, number, kind, amount, balance_after, created_at)
    select gen_random_uuid(), p_tx, id, posting_count, 'transfer', case id when p_to then p_amount else -p_amount end,
      available + locked, now() from accounts where id in (p_from, p_to);
  end $$`

async function withClient<T>(url: string, fn: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await fn(client)
  } finally {
    await client.end()
  }
}

/** The schemas of ledger and order, and accounts with something in them. */
async function makeExchange(adminUrl: string): Promise<{ url: string; accounts: string[]; world: string }> {
  const url = await createDatabase(adminUrl, 'bitka')
  const services = ['ledger', 'order', 'audit', 'matching']
  await bootstrapDatabase({
    adminUrl: url,
    services: services.map((service) => ({ service, ownerPassword: 'owner', appPassword: 'app' })),
  })
  for (const service of services) {
    const ownerUrl = databaseUrl(url, { user: ownerRole(service), password: 'owner' })
    const folder = repositoryFolder(`services/${service}/migrations`)
    await migrate({ ownerUrl, schema: service, folder, appRole: appRole(service), log: silentLogger })
  }
  const accounts = Array.from({ length: ACCOUNTS }, () => newId())
  const world = newId()
  await withClient(url, async (client) => {
    await client.query(MOVE)
    await client.query(`insert into ledger.assets values ('THB', 'Baht', 'FIAT', 2, null, true, now())`)
    await client.query(
      `insert into ledger.accounts (id, owner_kind, owner_id, asset, created_at)
       select id, 'user', $2 || id, 'THB', now() from unnest($1::uuid[]) id
       union all select $3, 'system', 'external', 'THB', now()`,
      [accounts, MARKER, world],
    )
    for (const id of accounts) await client.query('select ledger.move($1, $2, $3, 1000000)', [newId(), world, id])
    await writeAudit(client)
  })
  return { url, accounts, world }
}

/** Rows as the audit service chains them, with what JSON and SQL would write differently. */
async function writeAudit(client: pg.Client): Promise<void> {
  const entries = Array.from({ length: 12 }, (_, index) => ({
    eventId: newId(),
    service: 'ledger',
    timeMs: 1_794_000_000_123 + index,
    actorKind: 1,
    actorId: newId(),
    action: 'ledger.credit',
    targetType: 'account',
    targetId: `"quoted" \\ and ü\u2028 ${index}`,
    outcome: 1,
    errorCode: '',
    address: '127.0.0.1',
    userAgent: 'a/1.0 (b; c)',
    requestId: newId(),
    profile: 'demo',
    details: [
      { name: 'b', value: '1' },
      { name: 'a', value: 'x\ny' },
    ],
  }))
  for (const row of chain(GENESIS, entries)) {
    await client.query(
      `insert into audit.audit_rows values ($1, $2, $3, to_timestamp($4::bigint / 1000.0), $5, $6, $7, $8, $9, $10, $11,
         $12, $13, $14, $15, $16, $17, $18)`,
      [
        ...[row.seq, row.eventId, row.service, row.timeMs, row.actorKind, row.actorId, row.action, row.targetType],
        ...[row.targetId, row.outcome, row.errorCode, row.address, row.userAgent, row.requestId, row.profile],
        ...[JSON.stringify(row.details), row.previousHash, row.hash],
      ],
    )
  }
}

/** A command in the outbox, sent long ago. */
const command = (client: pg.Client, seq: number) =>
  client.query(
    `insert into "order".outbox (topic, partition, key, headers, value, sent_at)
     values ('trading.orders.commands', 2, 'BTC-THB', $1, '', now() - interval '1 day')`,
    [{ command_seq: String(seq), 'event-id': newId() }],
  )

/** People who transfer all the time; remembers what was acknowledged, and in which order. */
function startTransfers(url: string, accounts: readonly string[]): { done: string[]; stop(): Promise<void> } {
  const random = seeded(seed)
  const pick = (): string => random.pick(accounts)
  const done: string[] = []
  let stopping = false
  const lane = (): Promise<void> =>
    withClient(url, async (client) => {
      while (!stopping) {
        const [from, to, id] = [pick(), pick(), newId()]
        if (from === to) continue
        await client.query('select ledger.move($1, $2, $3, 1)', [id, from, to])
        done.push(id)
      }
    })
  const lanes = [lane(), lane(), lane()]
  return {
    done,
    async stop() {
      stopping = true
      await Promise.all(lanes)
    },
  }
}

/** Which of these transactions the database has. */
const present = (url: string, ids: readonly string[]): Promise<Set<string>> =>
  withClient(url, async (client) => {
    const { rows } = await client.query<{ id: string }>('select id from ledger.transactions where id = any ($1)', [ids])
    return new Set(rows.map(({ id }) => id))
  })

const allOf = async (content: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of content) chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe('backup and restore', () => {
  let folder: string
  let server: EmbeddedPostgres
  let exchange: Awaited<ReturnType<typeof makeExchange>>
  let adminPassword: string
  let options: Parameters<typeof takeBackup>[0]
  let spoolDir: string
  let sign: Sign
  const restored: EmbeddedPostgres[] = []
  const place = (name: string): string => join(folder, name)

  beforeAll(async () => {
    console.log(`seed ${seed}`)
    folder = await tempDir()
    spoolDir = place('spool')
    await mkdir(spoolDir, { mode: 0o777 })
    // The server's own account writes there.
    if (process.getuid?.() === 0) await chown(spoolDir, 65_534, 65_534)
    const dataDir = place('pg/data')
    server = await startPostgres({ dataDir, log: silentLogger, settings: { ...FAST, ...archiveSettings(spoolDir) } })
    adminPassword = (await readFile(`${dataDir}.password`, 'utf8')).trim()
    exchange = await makeExchange(server.adminUrl)
    const identity = await generateIdentity()
    await writeFile(place('identity'), `# kept elsewhere\n${identity}\n`)
    await writeFile(place('recipients'), `${await identityToRecipient(identity)}\n`)
    await writeFile(place('other-identity'), `${await generateIdentity()}\n`)
    const sealed = await sealFor(place('recipients'))
    const { privateKeyPem, publicKey } = newSigningKey()
    await writeFile(place('signing-key'), privateKeyPem)
    await writeFile(place('signers'), `# the machine of the database\n${publicKey}\n`)
    await writeFile(place('other-signers'), newSigningKey().publicKey)
    sign = await signWith(place('signing-key'))
    options = { url: server.adminUrl, dataDir, store: folderStore(place('store')), ...sealed, sign, log: silentLogger }
  })

  afterAll(async () => {
    await Promise.all([server, ...restored].map((each) => each?.stop()))
  })

  const restoreInto = async (name: string, target: RestoreTarget, store = options.store): Promise<string> => {
    const openSeal = await openWith(place('identity'))
    const result = await restore({
      store,
      openSeal,
      checkSignature: await signedByOneOf(place('signers')),
      target,
      dataDir: place(`${name}/data`),
      adminPassword,
      log: silentLogger,
    })
    restored.push(result.server)
    return databaseUrl(result.server.adminUrl, { database: 'bitka' })
  }

  /** Ends the segment that is being written, after something new in it, and waits until it is in the store. */
  const archiveAll = async (): Promise<string> => {
    const { rows } = await withClient(exchange.url, async (client) => {
      await client.query('select ledger.move($1, $2, $3, 1)', [newId(), exchange.accounts[0], exchange.accounts[1]])
      return await client.query<{ name: string }>('select pg_walfile_name(pg_switch_wal()) as name')
    })
    const name = rows[0]!.name
    await waitFor(async () => {
      await shipWal({ spoolDir, store: options.store, seal: options.seal, sign, log: silentLogger })
      return (await archivedWal(options.store)).includes(name)
    })
    return name
  }

  /** The lines of verify, and what it failed with. */
  const verified = async (url: string): Promise<{ lines: string[]; error?: unknown }> => {
    const lines: string[] = []
    const error = await verify({ url, print: (line) => lines.push(line) }).catch((reason: unknown) => reason)
    return { lines, ...(error !== undefined && { error }) }
  }

  it('restores what was there at the end of the backup, taken under load', async () => {
    const transfers = startTransfers(exchange.url, exchange.accounts)
    await waitFor(() => transfers.done.length > 20)
    const before = [...transfers.done]
    const manifest = await takeBackup(options)
    const after = transfers.done.length
    await transfers.stop()
    // Not stopped by the backup.
    expect(after).toBeGreaterThan(before.length)
    expect(await listBackups(options.store)).toEqual([manifest])

    const url = await restoreInto('first', 'backup')
    const { lines, error } = await verified(url)
    expect(error).toBeUndefined()
    expect(lines).toContain('ok    every balance is the sum of its postings')
    expect(lines.at(-1)).toBe("sum   THB: users 8000000, the exchange's own accounts -8000000, all 0")
    const there = await present(url, transfers.done)
    expect(before.every((id) => there.has(id))).toBe(true)
    // Taken on: a restored server is a server like any other.
    await withClient(url, (client) =>
      client.query('select ledger.move($1, $2, $3, 1)', [newId(), exchange.accounts[0], exchange.accounts[1]]),
    )
    expect((await verified(url)).error).toBeUndefined()
  })

  it('restores to a time between two transfers, and to the newest, from the archive of WAL', async () => {
    const move = (id: string): Promise<unknown> =>
      withClient(exchange.url, (client) =>
        client.query('select ledger.move($1, $2, $3, 5)', [id, exchange.accounts[0], exchange.accounts[1]]),
      )
    const now = async (): Promise<Date> =>
      await withClient(
        exchange.url,
        async (client) => (await client.query('select clock_timestamp() as at')).rows[0].at,
      )
    const [first, second] = [newId(), newId()]
    await move(first)
    // Times are compared with the commit's, which is finer than a Date.
    const between = new Date((await now()).getTime() + 2)
    while ((await now()) <= between);
    await move(second)
    await archiveAll()

    const [early, late] = [await restoreInto('early', between), await restoreInto('late', 'latest')]
    expect(await present(early, [first, second])).toEqual(new Set([first]))
    expect(await present(late, [first, second])).toEqual(new Set([first, second]))
    for (const url of [early, late]) expect((await verified(url)).error).toBeUndefined()
  })

  it('does not pass over a gap in the archive of WAL', async () => {
    const segments = [await archiveAll(), await archiveAll(), await archiveAll()]
    const thinned = folderStore(place('thinned-store'))
    for (const key of await options.store.list('')) {
      if (!key.includes(segments[1]!)) await thinned.put(key, options.store.get(key))
    }
    await expect(restoreInto('gap', 'latest', thinned)).rejects.toThrow(
      `the archive lacks the WAL segment ${segments[1]!.slice(8)}`,
    )
    expect((await verified(await restoreInto('no-gap', 'backup', thinned))).error).toBeUndefined()
  })

  it('finds a row that was changed behind the ledger, and one of the audit log', async () => {
    const url = await restoreInto('changed', 'backup')
    const audit = (sql: string) => withClient(url, (client) => client.query(`update audit.audit_rows set ${sql}`))
    await audit(`action = 'ledger.debit' where seq = 3`)
    expect((await verified(url)).error).toEqual(
      new Error('the database is wrong: not true that the audit log is one unbroken chain'),
    )
    await audit(`action = 'ledger.credit' where seq = 3`)
    expect((await verified(url)).error).toBeUndefined()
    await withClient(url, (client) =>
      client.query('update ledger.accounts set available = available + 1 where id = $1', [exchange.accounts[3]]),
    )
    const { lines, error } = await verified(url)
    expect(error).toEqual(
      new Error('the database is wrong: not true that the balances of all accounts sum to zero per asset'),
    )
    expect(lines.at(-1)).toBe('WRONG the balances of all accounts sum to zero per asset: [{"asset":"THB","sum":"1"}]')
  })

  it('shows nothing of the data without the key', async () => {
    const stored = await Promise.all((await options.store.list('')).map((key) => allOf(options.store.get(key))))
    expect(stored.length).toBeGreaterThan(2)
    for (const content of stored) expect(content.includes(MARKER)).toBe(false)
    const openSeal = await openWith(place('other-identity'))
    const dataDir = place('wrong-key/data')
    await expect(
      restore({ store: options.store, openSeal, dataDir, adminPassword, log: silentLogger }),
    ).rejects.toThrow(/does not open this backup/)
    expect(await readdir(place('wrong-key'))).toEqual([])
  })

  it('refuses a backup that was changed', async () => {
    const [manifest] = await listBackups(options.store)
    const content = await allOf(options.store.get(manifest!.object.key))
    const at = Math.floor(content.length / 2)
    content[at] = content[at]! ^ 1
    const changed = folderStore(place('changed-store'))
    const other = await changed.put(manifest!.object.key, Readable.from([content]))
    const put = (object: object) =>
      changed.put(
        `base/${manifest!.id}/manifest.json`,
        Readable.from([Buffer.from(JSON.stringify({ ...manifest, object }))]),
      )
    await put(manifest!.object)
    await expect(restoreInto('tampered', 'backup', changed)).rejects.toThrow(/damaged, or was changed/)
    // When whoever changed it changed the sums beside it too, nobody has signed those.
    await put({ ...manifest!.object, ...other })
    await expect(restoreInto('tampered', 'backup', changed)).rejects.toThrow(/was not signed with a key of/)
    // What is sealed refuses by itself, also when it is cut off.
    const unsigned = { store: changed, openSeal: await openWith(place('identity')), adminPassword, log: silentLogger }
    const dataDir = place('tampered/data')
    await expect(restore({ ...unsigned, dataDir })).rejects.toThrow(/damaged, or was changed/)
    const short = await changed.put(manifest!.object.key, Readable.from([content.subarray(0, at)]))
    await put({ ...manifest!.object, ...short })
    await expect(restore({ ...unsigned, dataDir })).rejects.toThrow(/damaged, or was changed/)
    expect(await readdir(place('tampered'))).toEqual([])
  })

  it('refuses a backup, and WAL, of somebody else who knows the public key', async () => {
    const checkSignature = await signedByOneOf(place('other-signers'))
    const openSeal = await openWith(place('identity'))
    const dataDir = place('forged/data')
    const shared = { store: options.store, openSeal, adminPassword, dataDir, log: silentLogger }
    await expect(restore({ ...shared, checkSignature })).rejects.toThrow(/was not signed with a key of/)
    const [name] = await archivedWal(options.store)
    const read = async (check: CheckSignature) => allOf(readWal(options.store, name!, openSeal, check))
    await expect(read(checkSignature)).rejects.toThrow(/was not signed with a key of/)
    // Signed is the name too: a segment is not taken for another.
    const moved = folderStore(place('moved-store'))
    for (const ending of ['age', 'json']) {
      await moved.put(`wal/${'0'.repeat(24)}.${ending}`, options.store.get(`wal/${name}.${ending}`))
    }
    const known = await signedByOneOf(place('signers'))
    expect((await read(known)).length).toBeGreaterThan(0)
    await expect(allOf(readWal(moved, '0'.repeat(24), openSeal, known))).rejects.toThrow(/was not signed/)
  })

  it('takes one backup at a time, whatever database its URL names', async () => {
    await withClient(options.url, async (client) => {
      await client.query(`select pg_advisory_lock(hashtextextended('bitka.backup', 0))`)
      await expect(takeBackup({ ...options, url: exchange.url })).rejects.toThrow('another backup of this server')
    })
  })

  it('never lists half a backup, and clears it away', async () => {
    const before = await listBackups(options.store)
    const broken = { ...options, dataDir: place('elsewhere') }
    await expect(takeBackup(broken)).rejects.toThrow(/ENOENT/)
    await expect(takeBackup({ ...options, seal: () => Promise.reject(new Error('no seal')) })).rejects.toThrow(
      'no seal',
    )
    // One that died before its manifest, and one in the middle of its file.
    await options.store.put(baseKey('20260101T000000000Z'), Readable.from([Buffer.from('half')]))
    await mkdir(place('store/base/20260101T000000001Z'), { recursive: true })
    await appendFile(place('store/base/20260101T000000001Z/base.tar.gz.age.partial-000000'), 'half')
    expect(await listBackups(options.store)).toEqual(before)

    const metricsFile = place('bitka_backup.prom')
    await backupOnce({ ...options, keep: { daily: 1, weekly: 0 }, intervalMs: 0, metricsFile })
    const [newest, ...others] = await listBackups(options.store)
    expect(others).toEqual([])
    expect(newest!.id > before[0]!.id).toBe(true)
    expect(await options.store.list('base/')).toEqual([newest!.object.key, `base/${newest!.id}/manifest.json`])
    const finished = Date.parse(newest!.finishedAt) / 1000
    expect(await readFile(metricsFile, 'utf8')).toContain(`\nbitka_backup_last_success_timestamp_seconds ${finished}\n`)
    // The segments before it went with the backup that needed them.
    expect((await archivedWal(options.store)).every((name) => name.slice(8) >= newest!.firstWal.slice(8))).toBe(true)
    expect(await prune(options.store, { daily: 0, weekly: 0 }, silentLogger)).toEqual([])
  })

  it('prepares a database for a new log, when nobody uses it and every command is kept', async () => {
    const url = await restoreInto('new-log', 'backup')
    const lines: string[] = []
    const prepare = () => prepareForNewLog({ url, print: (line) => lines.push(line) })
    await withClient(url, async (client) => {
      await client.query(
        `insert into "order".markets values ('BTC-THB', 'BTC', 'THB', 8, 2, '0.01', '0.0001', '1', '2', '1', 1, 1, 1, 9, 2, 1,
           4, true, now(), now())`,
      )
      // Three commands, of which the log had two, and an event that was sent long ago.
      for (const seq of [1, 2, 3]) await command(client, seq)
      await client.query(
        `insert into audit.outbox (topic, key, headers, value, sent_at) values ('old', '', '{}', '', now() - interval '1 day'),
           ('new', '', '{}', '', now())`,
      )
      await client.query(`insert into ledger.consumer_cursors values ('g', 't', 2, 17, 17, 'it stopped', now())`)
      await client.query(
        `insert into matching.snapshots values (2, 'BTC-THB', 2, 2, 2, 9, 9, 1, '', sha256(''), now())`,
      )
      await expect(prepare()).rejects.toThrow('the exchange must be stopped: postgres is connected')
    })
    await withClient(url, (client) => client.query(`delete from "order".outbox where headers ->> 'command_seq' = '2'`))
    await expect(prepare()).rejects.toThrow('the outbox has 2 of 3 commands of BTC-THB: a new log cannot be made of it')
    expect(lines).toEqual([])
    await withClient(url, (client) => command(client, 2))
    await prepare()
    expect(lines[0]).toBe('prepared for a new log: 3 commands and 1 other events will be sent into it')
    await withClient(url, async (client) => {
      const { rows } = await client.query(
        `select (select count(*)::int from "order".outbox where sent_at is not null) as sent,
           (select array_agg(topic) from audit.outbox where sent_at is not null) as other,
           (select count(*)::int from matching.snapshots) as snapshots,
           (select json_build_array(next_offset, stopped_offset) from ledger.consumer_cursors) as cursor`,
      )
      expect(rows).toEqual([{ sent: 0, other: ['old'], snapshots: 0, cursor: [0, null] }])
    })
  })

  it('restores into an empty folder only', async () => {
    const dataDir = place('full/data')
    await mkdir(dataDir, { recursive: true })
    await writeFile(join(dataDir, 'something'), 'of value')
    const openSeal = await openWith(place('identity'))
    await expect(
      restore({ store: options.store, openSeal, dataDir, adminPassword, log: silentLogger }),
    ).rejects.toThrow(/is not empty/)
    expect(await readFile(join(dataDir, 'something'), 'utf8')).toBe('of value')
  })
})
