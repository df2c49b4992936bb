import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { assert, type Clock, type Logger, systemClock } from '@bitka/kernel'
import { databaseUrl } from '@bitka/store'
import pg from 'pg'
import { CONTROL_FILE, packDataDirectory, packFile, packOpenFile, readControlFile, type Sums } from './cluster-files.ts'
import { BASE, baseKey, idAt, listBackups, type Manifest, manifestKey, signed } from './manifest.ts'
import type { Seal } from './seal.ts'
import type { Sign } from './sign.ts'
import type { BackupStore } from './store.ts'
import { tarEnd } from './tar.ts'
import { lsnOf, segmentsBetween } from './wal-names.ts'

export type BackupOptions = {
  /** postgres:// URL of a superuser, or of a role with REPLICATION that may call pg_backup_start and pg_backup_stop. */
  url: string
  /** The server's data directory, which we must be able to read. */
  dataDir: string
  store: BackupStore
  seal: Seal
  recipients: string[]
  /** Says who wrote the backup. */
  sign?: Sign
  log: Logger
  clock?: Clock
}

/** The last entry of the archive: size and SHA-256 of every file before it. */
export const SUMS_FILE = 'bitka-sums.json'

type Cluster = { systemIdentifier: string; serverVersion: string; segmentBytes: bigint }
type Start = { lsn: bigint; walFile: string }
type Stop = { lsn: bigint; label: string }

/**
 * Takes a base backup of a running PostgreSQL by its low-level API: the data directory as it is being written, and the WAL
 * that makes it consistent. It is listed when its manifest is there, which is the last thing written.
 */
export async function takeBackup(options: BackupOptions): Promise<Manifest> {
  const { store, log, clock = systemClock } = options
  const startedAt = clock.now()
  const id = idAt(startedAt)
  // One session from start to stop: PostgreSQL gives the backup up when it ends, and the slot goes with it.
  const session = new pg.Client({
    // One database for all, since its locks are those of the one that a session is in.
    connectionString: databaseUrl(options.url, { database: 'postgres' }),
    application_name: 'backup',
    statement_timeout: 0,
    idle_in_transaction_session_timeout: 0,
    keepAlive: true,
  })
  session.on('error', (error) => log.warn({ err: error }, 'the backup lost its session'))
  await session.connect()
  try {
    const cluster = await prepare(session, options)
    const { rows } = await session.query<{ lsn: string; wal: string }>(
      'select s.lsn::text as lsn, pg_walfile_name(s.lsn) as wal from pg_backup_start($1, fast => true) s (lsn)',
      [`bitka ${id}`],
    )
    assert(rows[0], 'pg_backup_start answers one row')
    const start: Start = { lsn: lsnOf(rows[0].lsn), walFile: rows[0].wal }
    const sums: Sums = new Map()
    let stop: Stop | undefined
    const archive = packCluster(options.dataDir, sums, start, cluster, async () => {
      stop = await stopBackup(session)
      return stop
    })
    const object = await zipped(archive, async (stream) => await store.put(baseKey(id), await options.seal(stream)))
    assert(stop, 'the archive ends with the end of the backup')
    const walFiles = segmentsBetween(start.walFile, stop.lsn, cluster.segmentBytes)
    const facts: Manifest = {
      version: 1,
      id,
      startedAt: startedAt.toISOString(),
      finishedAt: clock.now().toISOString(),
      systemIdentifier: cluster.systemIdentifier,
      serverVersion: cluster.serverVersion,
      startLsn: rows[0].lsn,
      stopLsn: textOf(stop.lsn),
      firstWal: start.walFile,
      lastWal: walFiles.at(-1) ?? start.walFile,
      segmentBytes: Number(cluster.segmentBytes),
      object: { key: baseKey(id), ...object },
      files: sums.size,
      fileBytes: [...sums.values()].reduce((sum, { size }) => sum + size, 0),
      recipients: options.recipients,
    }
    const manifest = signed(facts, options.sign)
    await store.put(manifestKey(id), Readable.from([Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`)]))
    log.info({ id, bytes: object.bytes, files: sums.size, stopLsn: manifest.stopLsn }, 'backup taken')
    return manifest
  } finally {
    await session.end().catch(() => undefined)
  }
}

/** Compresses what the consumer reads. Whichever end fails, the other is let go before this rejects. */
async function zipped<T>(
  source: AsyncIterable<Uint8Array>,
  consume: (stream: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  const gzip = createGzip({ level: 1 })
  const flowing = pipeline(Readable.from(source), gzip)
  // Of two errors the source's is the cause; the consumer's only says that the stream broke.
  const failed = flowing.then(
    () => undefined,
    (error: Error) => error,
  )
  try {
    return await consume(gzip)
  } catch (error) {
    gzip.destroy()
    const cause = await failed
    throw cause && !/premature close/i.test(cause.message) ? cause : error
  }
}

const textOf = (lsn: bigint): string => `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`.toUpperCase()

/** Refuses what it cannot back up whole, and keeps the WAL from now on. */
async function prepare(session: pg.Client, { dataDir, store, log }: BackupOptions): Promise<Cluster> {
  const { rows: locks } = await session.query<{ free: boolean }>(
    `select pg_try_advisory_lock(hashtextextended('bitka.backup', 0)) as free`,
  )
  if (!locks[0]?.free) throw new Error('another backup of this server is under way')
  const { rows } = await session.query<
    Record<'id' | 'version' | 'segment', string> & Record<'standby' | 'spread', boolean>
  >(
    `select (select system_identifier::text from pg_control_system()) as id,
       current_setting('server_version') as version, pg_is_in_recovery() as standby,
       (select setting from pg_settings where name = 'wal_segment_size') as segment,
       exists (select from pg_tablespace where spcname not in ('pg_default', 'pg_global')) as spread`,
  )
  const [row] = rows
  assert(row, 'the server answers')
  if (row.standby) throw new Error('this server is a standby: take the backup of the primary')
  if (row.spread) throw new Error('this server has tablespaces outside its data directory, which are not backed up')
  const control = await readControlFile(dataDir)
  // The first eight bytes of the control file are the system identifier.
  if (control.readBigUInt64LE(0).toString() !== row.id) throw new Error(`${dataDir} is the data of another server`)
  const others = (await listBackups(store)).filter(({ systemIdentifier }) => systemIdentifier !== row.id)
  if (others.length > 0) throw new Error('this place holds the backups of another server')
  await removeUnfinished(store, log)
  await session.query(`select pg_create_physical_replication_slot('bitka_backup_' || pg_backend_pid(), true, true)`)
  return { systemIdentifier: row.id, serverVersion: row.version, segmentBytes: BigInt(row.segment) }
}

/** What earlier runs left behind when they failed. Only called under the lock. */
async function removeUnfinished(store: BackupStore, log: Logger): Promise<void> {
  const finished = new Set((await listBackups(store)).map(({ id }) => id))
  for (const key of await store.list(BASE)) {
    const id = key.split('/')[1] ?? ''
    if (finished.has(id)) continue
    await store.remove(key)
    log.warn({ key }, 'removed an unfinished backup')
  }
}

async function stopBackup(session: pg.Client): Promise<Stop> {
  const { rows } = await session.query<{ lsn: string; labelfile: string }>(
    'select lsn::text as lsn, labelfile from pg_backup_stop(wait_for_archive => false)',
  )
  assert(rows[0], 'pg_backup_stop answers one row')
  return { lsn: lsnOf(rows[0].lsn), label: rows[0].labelfile }
}

async function* packCluster(
  dataDir: string,
  sums: Sums,
  start: Start,
  { segmentBytes }: Cluster,
  finish: () => Promise<Stop>,
): AsyncGenerator<Uint8Array> {
  yield* packDataDirectory(dataDir, sums)
  const control = await readControlFile(dataDir)
  const stop = await finish()
  for (const segment of segmentsBetween(start.walFile, stop.lsn, segmentBytes)) {
    // Fails when it is gone: without it the backup is worth nothing.
    const file = await open(join(dataDir, 'pg_wal', segment), 'r')
    try {
      yield* packOpenFile(`pg_wal/${segment}`, file, sums)
    } finally {
      await file.close()
    }
  }
  yield* packFile('backup_label', Buffer.from(stop.label), sums)
  yield* packFile(CONTROL_FILE, control, sums)
  yield* packFile(SUMS_FILE, Buffer.from(JSON.stringify(Object.fromEntries(sums))), new Map())
  yield tarEnd()
}
