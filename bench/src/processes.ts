import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'

type Row = { pid: number; parent: number }

/** Clock ticks a second in /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // The process ended meanwhile.
    return ''
  }
}

/** What follows the program's name in /proc/<pid>/stat; the name itself may hold anything. */
const statOf = (pid: number): string[] => {
  const text = read(`/proc/${pid}/stat`)
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

function all(): Row[] {
  if (existsSync('/proc/self/stat')) {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name) => ({ pid: Number(name), parent: Number(statOf(Number(name))[1]) }))
  }
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid='])
    .toString()
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .map(([pid = 0, parent = 0]) => ({ pid, parent }))
}

/** These processes and everything that they started and that still lives. */
export function withChildren(roots: readonly number[]): number[] {
  const rows = all()
  const found = new Set(roots)
  for (let grew = true; grew; ) {
    const before = found.size
    for (const { pid, parent } of rows) if (found.has(parent)) found.add(pid)
    grew = found.size > before
  }
  return [...found]
}

/**
 * User and system time that the processes have used so far, in seconds, with that of their children that have ended; 0 where
 * there is no /proc.
 */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = statOf(pid)
    const ticks = [11, 12, 13, 14].reduce((total, field) => total + Number(fields[field] ?? 0), 0)
    return sum + (Number.isFinite(ticks) ? ticks / TICKS_PER_SECOND : 0)
  }, 0)
}

export type Memory = { mb: number; kind: 'PSS' | 'RSS'; processes: number }

/**
 * What the processes take, in MB of 10^6 bytes. PSS where the kernel tells it: it counts what processes share, as
 * PostgreSQL's do, once. RSS counts it for each of them.
 */
export function memoryOf(pids: readonly number[]): Memory {
  const sizes = pids.map((pid) => /^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1])
  const alive = pids.filter((pid) => statOf(pid).length > 1)
  if (alive.length > 0 && sizes.filter(Boolean).length >= alive.length) {
    const kb = sizes.reduce((sum, size) => sum + Number(size ?? 0), 0)
    return { mb: (kb * 1024) / 1e6, kind: 'PSS', processes: alive.length }
  }
  const rss = execFileSync('ps', ['-o', 'rss=', '-p', pids.join(',')])
    .toString()
    .trim()
    .split('\n')
    .map(Number)
  return { mb: (rss.reduce((sum, kb) => sum + kb, 0) * 1024) / 1e6, kind: 'RSS', processes: rss.length }
}

/** Measures how much processor time a stretch of work costs each named part, as a share of one processor. */
export class CpuMeter {
  private readonly startedMs = performance.now()
  private readonly before: Record<string, number>

  constructor(private readonly parts: Readonly<Record<string, () => number[]>>) {
    this.before = this.read()
  }

  private read(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.parts).map(([name, pids]) => [name, cpuSeconds(pids())]))
  }

  shares(): Record<string, number> {
    const seconds = (performance.now() - this.startedMs) / 1000
    const now = this.read()
    return Object.fromEntries(
      Object.entries(now).map(([name, used]) => [
        name,
        Math.round(((used - (this.before[name] ?? 0)) / seconds) * 100) / 100,
      ]),
    )
  }
}
