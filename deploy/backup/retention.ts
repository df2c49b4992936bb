import type { Logger } from '@bitka/kernel'
import { baseKey, listBackups, type Manifest, manifestKey } from './manifest.ts'
import type { BackupStore } from './store.ts'
import { pruneWal } from './wal.ts'

/** How many days and weeks keep a backup: the newest of each of the last so many that have one. */
export type Retention = { daily: number; weekly: number }

const dayOf = (at: string): string => at.slice(0, 10)

/** The Monday of that day's week, in UTC. */
function weekOf(at: string): string {
  const day = new Date(`${dayOf(at)}T00:00:00Z`)
  day.setUTCDate(day.getUTCDate() - ((day.getUTCDay() + 6) % 7))
  return dayOf(day.toISOString())
}

/** The backups to keep, of a list that is oldest first. The newest is always among them. */
export function toKeep<B extends Pick<Manifest, 'id' | 'finishedAt'>>(
  backups: readonly B[],
  keep: Retention,
): Set<string> {
  const newestFirst = backups.toReversed()
  const newestOfEach = (period: (at: string) => string, count: number): B[] => {
    const chosen = new Map<string, B>()
    for (const backup of newestFirst) {
      const key = period(backup.finishedAt)
      if (!chosen.has(key)) chosen.set(key, backup)
    }
    return [...chosen.values()].slice(0, count)
  }
  const kept = [...newestFirst.slice(0, 1), ...newestOfEach(dayOf, keep.daily), ...newestOfEach(weekOf, keep.weekly)]
  return new Set(kept.map(({ id }) => id))
}

/** Removes the backups, and the WAL, that the retention does not keep. */
export async function prune(store: BackupStore, keep: Retention, log: Logger): Promise<string[]> {
  const all = await listBackups(store)
  const kept = toKeep(all, keep)
  const removed = all.filter(({ id }) => !kept.has(id)).map(({ id }) => id)
  for (const id of removed) {
    // The manifest first: a backup that is half removed is not listed.
    await store.remove(manifestKey(id))
    await store.remove(baseKey(id))
  }
  const oldest = all.find(({ id }) => kept.has(id))
  const segments = oldest ? await pruneWal(store, oldest.firstWal) : 0
  if (removed.length > 0 || segments > 0) log.info({ removed, segments }, 'old backups removed')
  return removed
}
