import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { commandOf, isRunning } from './process.ts'

/** What postmaster.pid says of the server that wrote it. It may be long dead. */
export type LockFile = { pid: number; port: number }

const pathOf = (dataDir: string): string => join(dataDir, 'postmaster.pid')

export async function readLockFile(dataDir: string): Promise<LockFile | undefined> {
  const text = await readFile(pathOf(dataDir), 'utf8').catch(() => '')
  // pid, data directory, start time, port, ...
  const lines = text.split('\n')
  const [pid, port] = [Number(lines[0]), Number(lines[3])]
  return Number.isInteger(pid) && pid > 0 ? { pid, port: Number.isInteger(port) ? port : 0 } : undefined
}

/** True when that pid is a live server of this data directory, and not a zombie or a stranger who got the same number. */
export async function isPostmaster(pid: number, dataDir: string): Promise<boolean> {
  return (await isRunning(pid)) && (await commandOf(pid)).includes(dataDir)
}

/**
 * Makes a dead server's lock file harmless where PostgreSQL itself would take a zombie or a reused pid for a live server.
 * The file stays, because its shared memory key is how PostgreSQL notices orphaned backends that still write; only the pid
 * becomes ours, which PostgreSQL, being our child, ignores.
 */
export async function disarmLockFile(dataDir: string): Promise<void> {
  const text = await readFile(pathOf(dataDir), 'utf8').catch(() => undefined)
  if (text === undefined) return
  const lines = text.split('\n')
  lines[0] = String(process.pid)
  await writeFile(pathOf(dataDir), lines.join('\n'))
}
