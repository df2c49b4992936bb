import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { assert, type Logger } from '@bitka/kernel'
import type { Seal } from './seal.ts'
import type { CheckSignature, Sign } from './sign.ts'
import { type BackupStore, getText, type Stored } from './store.ts'
import { isHistory, isSegment, placeOf } from './wal-names.ts'

const WAL = 'wal/'
const sealedKey = (name: string): string => `${WAL}${name}.age`
/** Written last, as a manifest is. Says what is inside, so that the same segment twice is told from two segments of one name. */
const sumKey = (name: string): string => `${WAL}${name}.json`

const PLAIN_PATH = /^[A-Za-z0-9/._-]+$/

/**
 * Server settings for point-in-time recovery: each finished segment (and at least one a minute under load) is put into a
 * folder of the server's account, whence shipWal() takes it. Nothing but the shell, cmp, cp, sync and mv is needed, and a
 * segment leaves the server only after it is on the disk there.
 */
export function archiveSettings(spoolDir: string): Record<string, string> {
  assert(PLAIN_PATH.test(spoolDir), 'the folder of the WAL archive has a name that a shell would not take as it is')
  const to = `${spoolDir}/%f`
  const copy = `cp "%p" "${to}.part" && sync "${to}.part" && mv "${to}.part" "${to}"`
  return {
    archive_mode: 'on',
    archive_command: `if test -f "${to}"; then cmp -s "%p" "${to}"; else ${copy}; fi`,
    archive_timeout: '60s',
  }
}

export type ShipOptions = { spoolDir: string; store: BackupStore; seal: Seal; sign?: Sign; log: Logger }

/** Beside each sealed file: what is inside, and who says so. */
type Sum = { sha256: string; sealed?: Stored; signature?: string }

/** What is signed of an archived file. */
const statementOf = (name: string, sha256: string): Buffer => Buffer.from(`bitka wal\n${name}\n${sha256}`)

/** Seals what waits in the spool and takes it into the store; answers how many files that were. */
export async function shipWal({ spoolDir, store, seal, sign, log }: ShipOptions): Promise<number> {
  const names = (await readdir(spoolDir)).filter((name) => !name.endsWith('.part')).sort()
  const stored = new Set(await store.list(WAL))
  for (const name of names) {
    const path = join(spoolDir, name)
    if (isSegment(name) || isHistory(name)) {
      const sha256 = createHash('sha256')
        .update(await readFile(path))
        .digest('hex')
      if (stored.has(sumKey(name))) {
        const known = JSON.parse(await getText(store, sumKey(name))) as Sum
        // Two histories under one name: a server that was restored and writes to the archive of its past.
        if (known.sha256 !== sha256) throw new Error(`the archive has another ${name} already`)
      } else {
        const sealed = await store.put(sealedKey(name), await seal(createReadStream(path)))
        const sum: Sum = { sha256, sealed, ...(sign && { signature: sign(statementOf(name, sha256)) }) }
        await store.put(sumKey(name), Readable.from([Buffer.from(`${JSON.stringify(sum)}\n`)]))
        log.debug({ name }, 'WAL archived')
      }
    }
    // Others (*.backup) only describe; our manifests do that.
    await rm(path)
  }
  return names.length
}

/** Names of the archived segments and timeline histories. */
export async function archivedWal(store: BackupStore): Promise<string[]> {
  return (await store.list(WAL)).flatMap((key) => (key.endsWith('.json') ? [key.slice(WAL.length, -5)] : []))
}

/** What a restore from that segment on can use: later segments of any timeline, and all histories. */
export async function walFrom(store: BackupStore, firstWal: string): Promise<string[]> {
  const names = await archivedWal(store)
  return names.filter((name) => isHistory(name) || (isSegment(name) && placeOf(name) >= placeOf(firstWal)))
}

/** Opens one archived file. @throws when its content is not what was archived, or nobody whom we know has signed it */
export async function* readWal(
  store: BackupStore,
  name: string,
  openSeal: Seal,
  check?: CheckSignature,
): AsyncGenerator<Uint8Array> {
  const { sha256, signature } = JSON.parse(await getText(store, sumKey(name))) as Sum
  check?.(`the archived ${name}`, statementOf(name, sha256), signature)
  const hash = createHash('sha256')
  for await (const chunk of await openSeal(store.get(sealedKey(name)))) {
    hash.update(chunk)
    yield chunk
  }
  if (hash.digest('hex') !== sha256) throw new Error(`the archived ${name} is not what was archived`)
}

/** Removes segments that no kept backup needs. */
export async function pruneWal(store: BackupStore, oldestNeeded: string): Promise<number> {
  const old = (await archivedWal(store)).filter((name) => isSegment(name) && placeOf(name) < placeOf(oldestNeeded))
  for (const name of old) {
    // In this order: what is listed can be read.
    await store.remove(sumKey(name))
    await store.remove(sealedKey(name))
  }
  return old.length
}
