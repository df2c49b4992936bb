import { createHash } from 'node:crypto'
import { type FileHandle, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { tarHeader, tarPadding } from './tar.ts'

/** Kept as empty folders: PostgreSQL makes their content anew, or would be misled by it (its manual, 25.3.4). */
const EMPTY = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
])
const SKIPPED_AT_TOP = new Set([
  'postmaster.pid',
  'postmaster.opts',
  'backup_label',
  'tablespace_map',
  'recovery.signal',
])
const isSkipped = (name: string): boolean =>
  name.startsWith('pgsql_tmp') || name === 'pg_internal.init' || /^t\d+_\d+/.test(name)

/** Copied after everything else, as PostgreSQL's own tool does; without it no server starts on the rest. */
export const CONTROL_FILE = 'global/pg_control'

/** By path in the archive: what a restore must find there. */
export type Sums = Map<string, { size: number; sha256: string }>

const CHUNK = 256 * 1024

export function* packFile(name: string, content: Uint8Array, sums: Sums): Generator<Uint8Array> {
  yield tarHeader({ name, type: 'file', mode: 0o600, size: content.length }, 0)
  yield content
  yield tarPadding(content.length)
  sums.set(name, { size: content.length, sha256: createHash('sha256').update(content).digest('hex') })
}

/** A file as it is being written to: of the size it had, cut or filled with zeros. Recovery makes it whole. */
export async function* packOpenFile(name: string, file: FileHandle, sums: Sums): AsyncGenerator<Uint8Array> {
  const { size, mtimeMs } = await file.stat()
  yield tarHeader({ name, type: 'file', mode: 0o600, size }, mtimeMs)
  const hash = createHash('sha256')
  for (let at = 0; at < size; ) {
    const wanted = Math.min(CHUNK, size - at)
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(wanted), 0, wanted, at)
    const part = bytesRead === 0 ? Buffer.alloc(wanted) : buffer.subarray(0, bytesRead)
    hash.update(part)
    at += part.length
    yield part
  }
  yield tarPadding(size)
  sums.set(name, { size, sha256: hash.digest('hex') })
}

/** The data directory while the server writes to it; everything but the control file and the WAL. */
export async function* packDataDirectory(dataDir: string, sums: Sums, folder = ''): AsyncGenerator<Uint8Array> {
  const entries = await readdir(join(dataDir, folder), { withFileTypes: true }).catch(gone)
  for (const entry of entries ?? []) {
    const name = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (isSkipped(entry.name) || name === CONTROL_FILE || (folder === '' && SKIPPED_AT_TOP.has(name))) continue
    // pg_wal may be a link to another disk.
    if (entry.isDirectory() || EMPTY.has(name)) {
      yield tarHeader({ name, type: 'directory', mode: 0o700, size: 0 }, 0)
      if (!EMPTY.has(name)) yield* packDataDirectory(dataDir, sums, name)
    } else if (entry.isFile()) {
      // A table that was dropped meanwhile is gone; recovery would drop it too.
      const file = await open(join(dataDir, name), 'r').catch(gone)
      if (!file) continue
      try {
        yield* packOpenFile(name, file, sums)
      } finally {
        await file.close()
      }
    } else throw new Error(`${name} in the data directory is neither a file nor a folder`)
  }
}

function gone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

/** The control file, which PostgreSQL writes in place: read until two readings agree. */
export async function readControlFile(dataDir: string): Promise<Buffer> {
  const file = await open(join(dataDir, CONTROL_FILE), 'r')
  try {
    for (let previous: Buffer | undefined; ; ) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(CHUNK), 0, CHUNK, 0)
      const current = buffer.subarray(0, bytesRead)
      if (previous?.equals(current)) return current
      previous = current
    }
  } finally {
    await file.close()
  }
}
