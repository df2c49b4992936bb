import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { repositoryFolder } from '@bitka/service'

/** Where root's stack lives when other accounts cannot enter the repository's folder (say, below /root). */
const SHELTER = '/var/lib/bitka'

/** The path of a socket below it may have 103 bytes. */
const HOME_BYTES_MAX = 60

export const isRoot = (): boolean => process.getuid?.() === 0

/** True when every account may pass through the folder and all above it. */
export function isOpen(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false
    if (at === dirname(at)) return true
  }
}

/** The repository that this program belongs to. */
export const repository = (): string => dirname(repositoryFolder('deploy'))

/**
 * Where everything of the native stack is kept: installed parts, data, logs, identities. `.bitka/stack` in the repository;
 * as root, whose services run under accounts of their own, a folder that those can reach.
 */
export function stackHome(root: string = repository()): string {
  const home = join(root, '.bitka', 'stack')
  const name = `stack-${createHash('sha256').update(root).digest('hex').slice(0, 12)}`
  if (isRoot() && !isOpen(root)) return join(SHELTER, name)
  return Buffer.byteLength(home) > HOME_BYTES_MAX ? join(tmpdir(), `bitka-${name}`) : home
}
