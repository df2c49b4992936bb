import { chmod, chown, mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** The account PostgreSQL runs as, when it is not our own. */
export type Account = { uid: number; gid: number }

// "nobody". PostgreSQL refuses root, and a uid without an entry in /etc/passwd.
const UNPRIVILEGED: Account = { uid: 65_534, gid: 65_534 }

/** Root's PostgreSQL runs as whoever owns the data, else as nobody; everyone else's as themselves (undefined). */
export async function accountFor(dataDir: string): Promise<Account | undefined> {
  const uid = process.getuid?.()
  if (uid === undefined) return undefined
  const existing = await stat(dataDir).catch(() => undefined)
  if (uid !== 0) {
    if (existing && existing.uid !== uid) {
      throw new Error(
        `${dataDir} belongs to uid ${existing.uid}, not to you (uid ${uid}): run as that account or chown it`,
      )
    }
    return undefined
  }
  return existing && existing.uid !== 0 ? { uid: existing.uid, gid: existing.gid } : UNPRIVILEGED
}

/** Makes the data directory's parent, which that account must be able to enter. */
export async function prepareParent(dataDir: string, account: Account | undefined): Promise<void> {
  const parent = dirname(dataDir)
  await mkdir(parent, { recursive: true, mode: account ? 0o711 : 0o700 })
  if (!account) return
  // The parent is ours to open by one bit: others may enter, and still not list or read.
  const { mode, uid } = await stat(parent)
  if (uid === 0 && (mode & 0o001) === 0) await chmod(parent, (mode & 0o777) | 0o011)
  await assertReachable(parent, account)
}

/** @throws a plain sentence when a directory on the way cannot be entered by the account. */
export async function assertReachable(path: string, account: Account | undefined): Promise<void> {
  if (!account) return
  for (let directory = path; ; directory = dirname(directory)) {
    const { mode, uid, gid } = await stat(directory)
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001
    if ((mode & bit) === 0) {
      throw new Error(
        `PostgreSQL does not run as root, and the account it runs as (uid ${account.uid}) cannot enter ${directory} ` +
          `(mode ${(mode & 0o777).toString(8)}). Move the folder elsewhere, run as an ordinary user, or: chmod o+x ${directory}`,
      )
    }
    if (directory === dirname(directory)) return
  }
}

/** A directory that only the account can read. */
export async function makePrivateDirectory(path: string, account: Account | undefined): Promise<void> {
  await mkdir(path, { mode: 0o700 })
  if (account) await chown(path, account.uid, account.gid)
}
