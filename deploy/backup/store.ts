import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { assert } from '@bitka/kernel'

/** What was stored: its size and the SHA-256 of its bytes, in hex. */
export type Stored = { bytes: number; sha256: string }

/** Where backups are kept: objects by key, as in an object store. An object is there whole, or not at all. */
export type BackupStore = {
  put(key: string, content: AsyncIterable<Uint8Array>): Promise<Stored>
  /** @throws when there is no such object */
  get(key: string): AsyncIterable<Uint8Array>
  /** Keys that begin with the prefix ("base/"), sorted. */
  list(prefix: string): Promise<string[]>
  /** No error when it is gone already. */
  remove(key: string): Promise<void>
}

const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/
const PARTIAL = '.partial-'

/** Objects as files of one folder: another disk, a mounted share. Keys are paths below it. */
export function folderStore(folder: string): BackupStore {
  const pathOf = (key: string): string => {
    assert(KEY.test(key) && !key.includes(PARTIAL), `"${key}" is no key of a backup`)
    return join(folder, key)
  }
  return {
    async put(key, content) {
      const path = pathOf(key)
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      // Under a name that is never listed, until it is whole and on the disk.
      const partial = `${path}${PARTIAL}${randomBytes(6).toString('hex')}`
      try {
        const stored = await writeDurably(partial, content)
        await rename(partial, path)
        await syncFolder(dirname(path))
        return stored
      } catch (error) {
        await rm(partial, { force: true })
        throw error
      }
    },
    async *get(key) {
      yield* createReadStream(pathOf(key), { highWaterMark: 256 * 1024 })
    },
    async list(prefix) {
      const entries = await readdir(join(folder, prefix), { recursive: true, withFileTypes: true }).catch(
        (error: NodeJS.ErrnoException) => {
          if (error.code === 'ENOENT') return []
          throw error
        },
      )
      return entries
        .filter((entry) => entry.isFile() && !entry.name.includes(PARTIAL))
        .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, '/').length))
        .sort()
    },
    remove: (key) => rm(pathOf(key), { force: true }),
  }
}

async function writeDurably(path: string, content: AsyncIterable<Uint8Array>): Promise<Stored> {
  const hash = createHash('sha256')
  let bytes = 0
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const chunk of content) {
      hash.update(chunk)
      bytes += chunk.length
      await file.writeFile(chunk)
    }
    await file.sync()
  } finally {
    await file.close()
  }
  return { bytes, sha256: hash.digest('hex') }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** The whole of a small object. */
export async function getText(store: BackupStore, key: string): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of store.get(key)) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
