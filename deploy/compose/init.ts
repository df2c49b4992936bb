import { chmod, chown, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeSpireSecrets } from '@bitka/dev-ca'
import { NODE_NAME } from '../spire/entries.ts'
import { accounts, type SecretFile, secretFiles } from './secrets.ts'

const SPIRE_FILES = ['root.pem', 'root-key.pem', 'node-ca.pem', 'node.pem', 'node-key.pem'] as const
const TRUST_DOMAIN = 'bitka.local'

/** What was made, and what somebody has to bring, each with what it is. */
export type Made = { made: string[]; missing: { name: string; from: string }[] }

/**
 * Makes what chance makes of a deployment's secrets and gives every file the account that reads it, where we are root.
 * A file that is there stays as it is, so that it can be run again at any time.
 */
export async function makeSecrets(folder: string): Promise<Made> {
  const result: Made = { made: [], missing: [] }
  const isRoot = process.getuid?.() === 0
  const own = async (path: string, mode: number, uid: number, gid = uid): Promise<void> => {
    await chmod(path, mode)
    if (isRoot) await chown(path, uid, gid)
  }
  for (const secret of await keepPasswords(folder)) {
    const path = join(folder, secret.name)
    if ('make' in secret) {
      if (await createOnly(path, `${secret.make()}\n`)) result.made.push(secret.name)
    } else if (!(await isFilled(path))) {
      result.missing.push(secret)
      continue
    }
    // Read by its account, and by the group where a second account needs it.
    await own(path, secret.gid === undefined ? 0o400 : 0o440, secret.uid, secret.gid)
  }
  const spire = join(folder, 'spire')
  if (await writeSpireSecrets(spire, TRUST_DOMAIN, NODE_NAME)) result.made.push('spire/')
  await own(spire, 0o500, accounts.spire)
  for (const name of SPIRE_FILES) await own(join(spire, name), 0o400, accounts.spire)
  return result
}

/** Three files hold the admin's password: a run that died between them must not leave two passwords behind. */
async function keepPasswords(folder: string): Promise<SecretFile[]> {
  const known = (await readFile(join(folder, 'postgres-password'), 'utf8').catch(() => '')).trim()
  return secretFiles(known === '' ? undefined : known)
}

/** Writes a new file whole; false when there is one already. */
async function createOnly(path: string, content: string): Promise<boolean> {
  if (await isFilled(path)) return false
  const fresh = `${path}.${process.pid}`
  await writeFile(fresh, content, { mode: 0o600, flush: true })
  await rename(fresh, path)
  return true
}

const isFilled = (path: string): Promise<boolean> =>
  stat(path).then(
    ({ size }) => size > 0,
    () => false,
  )
