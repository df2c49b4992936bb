import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, systemClock } from '@bitka/kernel'
import { Authority, type StoredRoot } from './authority.ts'

const fileIn = (dir: string): string => join(dir, 'authority.json')

type Stored = { trustDomain: string; roots: StoredRoot[] }

/** The CA kept in `dir`, or a new one: after a restart the same root goes on, or running services would not know new ones. */
export async function openAuthority(dir: string, trustDomain: string, clock: Clock): Promise<Authority> {
  const text = await readFile(fileIn(dir), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) {
    const created = await Authority.create(trustDomain, clock)
    await saveAuthority(dir, created)
    return created
  }
  const stored: Stored = JSON.parse(text)
  if (stored.trustDomain !== trustDomain) {
    throw new Error(`the development CA in this directory is for ${stored.trustDomain}, not for ${trustDomain}`)
  }
  return Authority.restore(trustDomain, clock, stored.roots)
}

/**
 * Gives a CA that does not run a new root: once started it makes it known to everybody, and signs with it later. Nothing when
 * one is staged already.
 */
export async function stageRoot(dir: string, trustDomain: string): Promise<void> {
  const authority = await openAuthority(dir, trustDomain, systemClock)
  await authority.stageRoot()
  await saveAuthority(dir, authority)
}

/** Replaces the file whole: a crash leaves the old one or the new one. */
export async function saveAuthority(dir: string, authority: Authority): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const stored: Stored = { trustDomain: authority.trustDomain, roots: await authority.store() }
  const file = fileIn(dir)
  const handle = await open(`${file}.new`, 'w', 0o600)
  try {
    await handle.chmod(0o600)
    await handle.writeFile(JSON.stringify(stored, null, 2))
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(`${file}.new`, file)
}
