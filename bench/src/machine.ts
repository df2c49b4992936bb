import { execFileSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { round } from './stats.ts'

/** Where and when a run was measured. */
export type Machine = {
  date: string
  commit: string
  node: string
  cpu: string
  cpus: number
  memory_gb: number
  /** How busy the machine was just before: the figures of a busy machine say little. */
  load_1m_before: number
}

const TMPFS = 0x01021994

function commit(folder: string): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim()
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '-uno') === '' ? '' : ' with changes')
  } catch {
    return 'unknown'
  }
}

export function machine(folder: string): Machine {
  const all = cpus()
  return {
    date: new Date().toISOString(),
    commit: commit(folder),
    node: process.version,
    cpu: all[0]?.model ?? 'unknown',
    cpus: all.length,
    memory_gb: round(totalmem() / 2 ** 30),
    load_1m_before: round(loadavg()[0] ?? 0),
  }
}

/** On a file system in memory fsync costs nothing, and figures about durable work would be worth nothing. */
export function onDisk(folder: string): boolean {
  return statfsSync(folder).type !== TMPFS
}
