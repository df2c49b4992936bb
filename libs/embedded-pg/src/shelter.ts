import { createHash } from 'node:crypto'
import { cp, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Logger } from '@bitka/kernel'
import { type Account, assertReachable } from './account.ts'
import type { Binaries } from './binaries.ts'

/** Where root's PostgreSQL lives when the account it runs as cannot enter the folder that was asked for (say, below /root). */
export const DEFAULT_SHELTER = '/var/lib/bitka'

const hashOf = (path: string): string => createHash('sha256').update(path).digest('hex').slice(0, 16)

/** True when the account can enter the path, or what exists of it. */
async function isReachable(path: string, account: Account): Promise<boolean> {
  let existing = path
  while (!(await stat(existing).catch(() => undefined))) existing = dirname(existing)
  return assertReachable(existing, account).then(
    () => true,
    () => false,
  )
}

/** The data directory to use: the one asked for, or one of its own below the shelter, always the same. */
export async function reachableDataDir(
  dataDir: string,
  account: Account | undefined,
  shelter: string,
  log: Logger,
): Promise<string> {
  const parent = dirname(dataDir)
  // Our own parent folder is opened later; what lies above it is not ours to open.
  if (!account || (await isReachable(dirname(parent), account))) return dataDir
  const sheltered = join(shelter, hashOf(dataDir), 'data')
  await mkdir(parent, { recursive: true, mode: 0o700 })
  await writeFile(`${dataDir}.location`, `${sheltered}\n`)
  log.info(
    { asked: dataDir, dataDir: sheltered },
    'PostgreSQL cannot run below that folder as root; its data is elsewhere',
  )
  return sheltered
}

/** Binaries that the account can run: the installed ones, or a copy below the shelter. */
export async function reachableBinaries(
  binaries: Binaries,
  account: Account | undefined,
  shelter: string,
): Promise<Binaries> {
  const native = dirname(dirname(binaries.postgres))
  if (!account || (await isReachable(dirname(binaries.postgres), account))) return binaries
  const { mtimeMs } = await stat(binaries.postgres)
  const copy = join(shelter, `postgres-${hashOf(`${native} ${mtimeMs}`)}`)
  if (!(await stat(copy).catch(() => undefined))) {
    const next = `${copy}.${process.pid}`
    await mkdir(shelter, { recursive: true, mode: 0o755 })
    await cp(native, next, { recursive: true, verbatimSymlinks: true })
    // Whoever renames first wins; the copies are equal.
    await rename(next, copy).catch(() => rm(next, { recursive: true, force: true }))
  }
  return { initdb: join(copy, 'bin', 'initdb'), postgres: join(copy, 'bin', 'postgres') }
}
