import { type Logger, Loop, systemClock } from '@bitka/kernel'
import { serveMetrics } from '@bitka/service'
import { type BackupOptions, takeBackup } from './base-backup.ts'
import { listBackups } from './manifest.ts'
import { backupMetrics, writeTextfile } from './metrics.ts'
import { prune, type Retention } from './retention.ts'
import { shipWal } from './wal.ts'

export type RunOptions = BackupOptions & {
  keep: Retention
  intervalMs: number
  spoolDir?: string
  metricsFile?: string
  metrics?: { host: string; port: number }
}

/** How soon a failed backup is tried again. */
const RETRY_MS = 60_000
const SHIP_INTERVAL_MS = 2_000

/** Takes one backup, removes what is too old and tells Prometheus. */
export async function backupOnce(options: RunOptions): Promise<void> {
  const { store, keep, metricsFile, log } = options
  await takeBackup(options)
  await prune(store, keep, log)
  if (metricsFile === undefined) return
  const metrics = backupMetrics()
  await metrics.refresh(store)
  await writeTextfile(metrics.registry, metricsFile)
}

/** Backs up for good: a base backup whenever the newest is too old, and WAL as it comes. */
export async function runBackups(options: RunOptions): Promise<{ stop(): Promise<void> }> {
  const { store, seal, sign, spoolDir, intervalMs, log } = options
  const metrics = backupMetrics()
  await metrics.refresh(store)
  const outcome = (what: 'base' | 'wal') => (result: 'ok' | 'error') => {
    if (result === 'error') metrics.failed(what)
    else if (what === 'wal') metrics.walShipped(systemClock.nowMs())
  }
  const base = new Loop(
    { name: 'backup.base', intervalMs: Math.min(RETRY_MS, intervalMs), log, onRun: outcome('base') },
    async () => {
      const newest = (await listBackups(store)).at(-1)
      if (newest && systemClock.nowMs() - Date.parse(newest.finishedAt) < intervalMs) return
      await backupOnce(options)
      await metrics.refresh(store)
    },
  )
  const wal = spoolDir && startShipping({ spoolDir, store, seal, log, ...(sign && { sign }) }, outcome('wal'))
  const port = options.metrics && (await serveMetrics(metrics.registry, options.metrics.host, options.metrics.port))
  return {
    async stop() {
      await base.stop()
      if (wal) await wal.stop()
      await port?.stop()
    },
  }
}

const startShipping = (
  options: Parameters<typeof shipWal>[0] & { log: Logger },
  onRun: (result: 'ok' | 'error') => void,
): Loop =>
  new Loop({ name: 'backup.wal', intervalMs: SHIP_INTERVAL_MS, log: options.log, onRun }, async () => {
    await shipWal(options)
  })
