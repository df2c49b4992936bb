import { rename, writeFile } from 'node:fs/promises'
import { Counter, Gauge, Registry } from 'prom-client'
import { listBackups } from './manifest.ts'
import type { BackupStore } from './store.ts'

export type BackupMetrics = {
  registry: Registry
  /** What the store says: the truth also after a restart, and when somebody removed a backup. */
  refresh(store: BackupStore): Promise<void>
  walShipped(atMs: number): void
  failed(what: 'base' | 'wal'): void
}

export function backupMetrics(): BackupMetrics {
  const registry = new Registry()
  const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, registers: [registry] })
  const lastSuccess = gauge(
    'bitka_backup_last_success_timestamp_seconds',
    'When the newest finished backup was finished.',
  )
  const lastBytes = gauge('bitka_backup_last_bytes', 'Size of the newest finished backup, as it is stored.')
  const lastDuration = gauge('bitka_backup_last_duration_seconds', 'How long the newest finished backup took.')
  const kept = gauge('bitka_backup_kept', 'Finished backups in the store.')
  const walShipped = gauge('bitka_backup_wal_last_success_timestamp_seconds', 'When the WAL archive was last complete.')
  const failures = new Counter({
    name: 'bitka_backup_failures_total',
    help: 'Backups (base) and archive runs (wal) that failed.',
    labelNames: ['what'],
    registers: [registry],
  })
  failures.inc({ what: 'base' }, 0)
  failures.inc({ what: 'wal' }, 0)
  return {
    registry,
    async refresh(store) {
      const all = await listBackups(store)
      const newest = all.at(-1)
      kept.set(all.length)
      if (!newest) return
      const finishedMs = Date.parse(newest.finishedAt)
      lastSuccess.set(finishedMs / 1000)
      lastBytes.set(newest.object.bytes)
      lastDuration.set((finishedMs - Date.parse(newest.startedAt)) / 1000)
    },
    walShipped: (atMs) => walShipped.set(atMs / 1000),
    failed: (what) => failures.inc({ what }),
  }
}

/** For a textfile collector: never half written. */
export async function writeTextfile(registry: Registry, path: string): Promise<void> {
  await writeFile(`${path}.tmp`, await registry.metrics(), { mode: 0o644 })
  await rename(`${path}.tmp`, path)
}
