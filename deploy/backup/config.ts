import { z } from 'zod'

/** A number of hours, days or copies. */
const count = z.coerce.number().int().min(0)

/** Everything that the program reads from its environment. NAME_FILE may name a file with the value. */
export const backupSchema = z.object({
  /** Where backups are kept: a folder on another machine's disk. */
  BITKA_BACKUP_FOLDER: z.string().min(1),
  /** age recipients (age1…), one a line. Needed to take backups and to archive WAL. */
  BITKA_BACKUP_RECIPIENTS_FILE: z.string().min(1).optional(),
  /** age identities (AGE-SECRET-KEY-…), one a line. Needed to restore, and kept away from the server otherwise. */
  BITKA_BACKUP_IDENTITY_FILE: z.string().min(1).optional(),
  /** PEM of the Ed25519 key that signs what is written, for the machine of the database. */
  BITKA_BACKUP_SIGNING_KEY_FILE: z.string().min(1).optional(),
  /** Public keys of those whose backups are restored, one a line. Without it everybody's are. */
  BITKA_BACKUP_SIGNERS_FILE: z.string().min(1).optional(),
  /** URL of the server's admin; a secret. */
  BITKA_BACKUP_DB_URL: z.url().optional(),
  /** The server's data directory. */
  BITKA_BACKUP_DATA_DIR: z.string().min(1).optional(),
  /** The exchange's database, for verify. */
  BITKA_BACKUP_DATABASE: z.string().min(1).default('bitka'),
  /** The folder into which the server's archive_command puts WAL. Without it: base backups only. */
  BITKA_BACKUP_WAL_SPOOL: z.string().min(1).optional(),
  /** For restore: the admin's password on the server that was backed up. */
  BITKA_BACKUP_ADMIN_PASSWORD: z.string().min(1).optional(),
  /** For verify: the brokers of the event log, comma-separated, when it is not in the database. */
  BITKA_BACKUP_KAFKA_BROKERS: z.string().min(1).optional(),
  /** The SPIFFE Workload API that gives the identity to read the log with: kafka-admin's. */
  BITKA_BACKUP_IDENTITY_SOCKET: z.string().min(1).optional(),
  /** The trust domain of the mesh. */
  BITKA_BACKUP_TRUST_DOMAIN: z.string().min(1).default('bitka.local'),
  /** Hours between two backups of `run`. */
  BITKA_BACKUP_INTERVAL_H: z.coerce.number().min(0.01).default(24),
  /** Days of which a backup is kept. */
  BITKA_BACKUP_KEEP_DAILY: count.default(7),
  /** Weeks of which a backup is kept. */
  BITKA_BACKUP_KEEP_WEEKLY: count.default(5),
  /** A file for Prometheus's textfile collector, written after each backup. */
  BITKA_BACKUP_METRICS_FILE: z.string().min(1).optional(),
  /** Prometheus port of `run`. */
  BITKA_BACKUP_METRICS_PORT: z.coerce.number().int().min(0).max(65_535).optional(),
  /** Address of that port; loopback unless a container's network is the fence. */
  BITKA_BACKUP_METRICS_HOST: z.string().min(1).default('127.0.0.1'),
  /** What is logged: debug, info, warn, error. */
  BITKA_BACKUP_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
})
export type BackupConfig = z.infer<typeof backupSchema>
