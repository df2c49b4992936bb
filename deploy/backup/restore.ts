import { createHash } from 'node:crypto'
import { chown, mkdir, open, readdir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGunzip } from 'node:zlib'
import { type Account, accountFor, type EmbeddedPostgres, startPostgres } from '@bitka/embedded-pg'
import { assert, type Logger } from '@bitka/kernel'
import pg from 'pg'
import { SUMS_FILE } from './base-backup.ts'
import { CONTROL_FILE } from './cluster-files.ts'
import { checkManifest, findBackup, type Manifest } from './manifest.ts'
import type { Seal } from './seal.ts'
import type { CheckSignature } from './sign.ts'
import type { BackupStore } from './store.ts'
import { readTar } from './tar.ts'
import { readWal, walFrom } from './wal.ts'
import { firstMissing } from './wal-names.ts'

/** Where recovery ends: with the backup itself, with all that was archived after it, or at a time between. */
export type RestoreTarget = 'backup' | 'latest' | Date

export type RestoreOptions = {
  store: BackupStore
  /** Opens what was sealed: openWith(identityFile). */
  openSeal: Seal
  /** Refuses what others have written; without it whoever may write into the store is believed. */
  checkSignature?: CheckSignature
  id?: string
  target?: RestoreTarget
  /** Absolute path of an empty or missing folder. */
  dataDir: string
  /** Of the server whose backup it is: its roles are in the backup, their passwords are not. */
  adminPassword: string
  port?: number
  log: Logger
}

export type Restored = { manifest: Manifest; server: EmbeddedPostgres }

/** Puts a backup into an empty data directory, recovers it and answers the running server. */
export async function restore(options: RestoreOptions): Promise<Restored> {
  const { store, dataDir, target = 'latest', log } = options
  assert(isAbsolute(dataDir), 'the data directory must be an absolute path')
  const manifest = await findBackup(store, options.id ?? 'latest')
  if (options.checkSignature) checkManifest(manifest, options.checkSignature)
  await assertEmpty(dataDir)
  const account = await accountFor(dataDir)
  const made = await makeFolder(dataDir, account)
  const walDir = `${dataDir}.wal`
  try {
    await unpack(options, manifest, account)
    await makeFolder(walDir, account)
    const names = target === 'backup' ? [] : await walFrom(store, manifest.firstWal)
    const missing = firstMissing(names, manifest.lastWal, BigInt(manifest.segmentBytes))
    // Recovery would end there and say nothing.
    if (missing !== undefined && target === 'latest') {
      throw new Error(
        `the archive lacks the WAL segment ${missing}, so what came after it cannot be had: name a time before it, or "backup"`,
      )
    }
    for (const name of names) {
      await writeOwned(join(walDir, name), readWal(store, name, options.openSeal, options.checkSignature), account)
    }
    log.info({ id: manifest.id, segments: names.length }, 'backup unpacked, recovering')
    const server = await recover(options, walDir, target)
    return { manifest, server }
  } catch (error) {
    // Nothing stays that could be taken for a database.
    for (const name of await readdir(dataDir)) await rm(join(dataDir, name), { recursive: true, force: true })
    if (made) await rm(dataDir, { recursive: true, force: true })
    throw error
  } finally {
    await rm(walDir, { recursive: true, force: true })
  }
}

async function assertEmpty(dataDir: string): Promise<void> {
  const found = await readdir(dataDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  if (found.length > 0) throw new Error(`${dataDir} is not empty: a restore never overwrites anything`)
}

/** Answers true when the folder was not there. */
async function makeFolder(path: string, account: Account | undefined): Promise<boolean> {
  await mkdir(dirname(path), { recursive: true, mode: account ? 0o711 : 0o700 })
  const existed = await stat(path).catch(() => undefined)
  if (!existed) await mkdir(path, { mode: 0o700 })
  if (account) await chown(path, account.uid, account.gid)
  return existed === undefined
}

async function writeOwned(
  path: string,
  content: AsyncIterable<Uint8Array>,
  account: Account | undefined,
): Promise<{ size: number; sha256: string }> {
  const hash = createHash('sha256')
  let size = 0
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const chunk of content) {
      hash.update(chunk)
      size += chunk.length
      await file.writeFile(chunk)
    }
    if (account) await file.chown(account.uid, account.gid)
  } finally {
    await file.close()
  }
  return { size, sha256: hash.digest('hex') }
}

/** Passes bytes through; throws at the end when they are not what the manifest says. */
async function* checked(
  source: AsyncIterable<Uint8Array>,
  { bytes, sha256 }: Manifest['object'],
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let seen = 0
  for await (const chunk of source) {
    hash.update(chunk)
    seen += chunk.length
    yield chunk
  }
  if (seen !== bytes || hash.digest('hex') !== sha256) throw new Error('the backup is not what its manifest says')
}

/**
 * Writes the files. Every byte is authenticated before it is written; the control file, without which no server starts, gets
 * its name only after all files are there with their sums.
 */
async function unpack(options: RestoreOptions, manifest: Manifest, account: Account | undefined): Promise<void> {
  const { store, openSeal, dataDir } = options
  const held = join(dataDir, `${CONTROL_FILE}.restoring`)
  const found = new Map<string, { size: number; sha256: string }>()
  let wanted: Record<string, { size: number; sha256: string }> | undefined
  const sealed = checked(store.get(manifest.object.key), manifest.object)
  const gunzip = createGunzip()
  const flowing = pipeline(Readable.from(await openSeal(sealed)), gunzip)
  const reading = readTar(gunzip, async ({ name, type }, body) => {
    const path = name === CONTROL_FILE ? held : join(dataDir, name)
    if (name === SUMS_FILE) {
      const chunks: Uint8Array[] = []
      for await (const chunk of body) chunks.push(chunk)
      wanted = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    } else if (type === 'directory') await makeFolder(path, account)
    else found.set(name, await writeOwned(path, body, account))
  })
  try {
    await Promise.all([reading, flowing])
  } catch (error) {
    gunzip.destroy()
    await Promise.allSettled([reading, flowing])
    throw new Error('the backup is damaged, or was changed, and is not restored', { cause: error })
  }
  const names = Object.keys(wanted ?? {})
  const isWhole =
    wanted !== undefined &&
    names.length === found.size &&
    names.every((name) => found.get(name)?.sha256 === wanted?.[name]?.sha256)
  if (!isWhole) throw new Error('the backup lacks files that were put into it')
  await writeOwned(join(dataDir, 'recovery.signal'), Readable.from([]), account)
  await rename(held, join(dataDir, CONTROL_FILE))
}

/** Runs the server through its recovery, which ends on a timeline of its own. */
async function recover(options: RestoreOptions, walDir: string, target: RestoreTarget): Promise<EmbeddedPostgres> {
  const { dataDir, port, log } = options
  assert(/^[A-Za-z0-9/._-]+$/.test(walDir), 'the data directory has a name that a shell would not take as it is')
  // Where the server wrapper keeps the admin's password.
  await writeFile(`${dataDir}.password`, `${options.adminPassword}\n`, { mode: 0o600 })
  const settings: Record<string, string> = {
    restore_command: `cp "${walDir}/%f" "%p"`,
    recovery_target_action: 'promote',
    // Nobody reads before the end, and so nothing needs to be sized as on the server that was backed up.
    hot_standby: 'off',
    archive_mode: 'off',
  }
  if (target === 'backup') settings.recovery_target = 'immediate'
  else if (target instanceof Date) settings.recovery_target_time = sqlTime(target)
  const server = await startPostgres({ dataDir, log, settings, ...(port !== undefined && { port }) })
  try {
    await awaitPrimary(server.adminUrl, await realpath(dataDir))
    return server
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** As the server reads it before it knows the names of time zones. */
const sqlTime = (at: Date): string => at.toISOString().replace('T', ' ').replace('Z', '+00')

async function awaitPrimary(adminUrl: string, dataDir: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl })
  client.on('error', () => undefined)
  await client.connect()
  try {
    for (;;) {
      const { rows } = await client.query<{ recovering: boolean; folder: string }>(
        `select pg_is_in_recovery() as recovering, current_setting('data_directory') as folder`,
      )
      if (rows[0]?.folder !== dataDir) {
        throw new Error(
          `PostgreSQL cannot run in ${dataDir}: its account cannot enter a folder above; restore elsewhere`,
        )
      }
      if (!rows[0].recovering) return
      await sleep(50)
    }
  } finally {
    await client.end()
  }
}
