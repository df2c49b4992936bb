import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type Account, makePrivateDirectory } from './account.ts'
import type { Binaries } from './binaries.ts'

export const ADMIN = 'postgres'

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/** The admin's password, in a file beside the data that only we can read. Made once. */
export async function ensurePassword(dataDir: string): Promise<string> {
  const path = `${dataDir}.password`
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  if (await exists(join(dataDir, 'PG_VERSION')))
    throw new Error(`${path} is gone: without it the data cannot be opened`)
  const password = randomBytes(24).toString('hex')
  await writeFile(path, `${password}\n`, { mode: 0o600, flag: 'wx' })
  return password
}

/** Creates the data directory unless it exists. Made under another name first, so a crash on the way leaves none half made. */
export async function ensureDataDirectory(
  dataDir: string,
  password: string,
  binaries: Binaries,
  account: Account | undefined,
): Promise<'created' | 'existed'> {
  if (await exists(join(dataDir, 'PG_VERSION'))) return 'existed'
  await removeLeftovers(dataDir)
  const fresh = `${dataDir}.init-${process.pid}`
  const passwordFile = `${fresh}.password`
  try {
    await makePrivateDirectory(fresh, account)
    await writeFile(passwordFile, password, { mode: 0o600, flag: 'wx' })
    if (account) await chown(passwordFile, account.uid, account.gid)
    const options = ['-D', fresh, '-U', ADMIN, '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8']
    // The same order of text on every machine.
    const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
    await promisify(execFile)(binaries.initdb, [...options, ...locale], { cwd: '/', env: serverEnv(), ...account })
    await rename(fresh, dataDir)
    return 'created'
  } catch (error) {
    const { stderr } = error as { stderr?: string }
    throw new Error(`initdb failed: ${stderr?.trim() || String(error)}`, { cause: error })
  } finally {
    await rm(passwordFile, { force: true })
    await rm(fresh, { recursive: true, force: true })
  }
}

async function removeLeftovers(dataDir: string): Promise<void> {
  const prefix = `${basename(dataDir)}.init-`
  for (const name of await readdir(dirname(dataDir))) {
    if (name.startsWith(prefix)) await rm(join(dirname(dataDir), name), { recursive: true, force: true })
  }
}

/** PostgreSQL gets none of our environment, which may hold secrets, and no PG* variable that would change it. */
export const serverEnv = (): NodeJS.ProcessEnv => ({ PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' })
