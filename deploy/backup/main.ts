import { chmod, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type EventLog, openKafkaLog } from '@bitka/events'
import { ConfigError, createLogger, loadConfig } from '@bitka/kernel'
import { WorkloadIdentity } from '@bitka/mesh'
import { brokerCheck } from '@bitka/service'
import { databaseUrl } from '@bitka/store'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { type BackupConfig, backupSchema } from './config.ts'
import { findBackup, listBackups } from './manifest.ts'
import { prepareForNewLog } from './new-log.ts'
import { type RestoreTarget, restore } from './restore.ts'
import { prune } from './retention.ts'
import { backupOnce, type RunOptions, runBackups } from './run.ts'
import { openWith, sealFor } from './seal.ts'
import { newSigningKey, signedByOneOf, signWith } from './sign.ts'
import { folderStore } from './store.ts'
import { verify } from './verify.ts'

const USAGE = `Backs PostgreSQL up, sealed with age, and restores it. Variables: docs/operations/backup-and-restore.md.

  backup                    takes a base backup and removes what is too old
  run                       does so for good, and ships WAL
  list                      the finished backups
  prune                     removes what is too old
  restore --data-dir DIR    into an empty folder; recovers, verifies, stops
          [--id ID] [--target backup|latest|TIME] [--port N] [--new-log]
  verify [--url URL]        checks a running database's sums, and compares it with the log
  new-log [--url URL]       prepares a stopped exchange's database for an empty event log
  signing-keygen --out FILE makes a key to sign with; prints its public key
  keygen --out FILE         makes an identity; prints its recipient
`

const print = (line: string): void => void process.stdout.write(`${line}\n`)

function need<K extends keyof BackupConfig>(config: BackupConfig, name: K): NonNullable<BackupConfig[K]> {
  const value = config[name]
  if (value === undefined) throw new ConfigError(`bad configuration: ${name}: is needed here`)
  return value as NonNullable<BackupConfig[K]>
}

const logOf = (config: BackupConfig) => createLogger('backup', { level: config.BITKA_BACKUP_LOG_LEVEL })
const storeOf = (config: BackupConfig) => folderStore(resolve(config.BITKA_BACKUP_FOLDER))
const keepOf = (config: BackupConfig) => ({
  daily: config.BITKA_BACKUP_KEEP_DAILY,
  weekly: config.BITKA_BACKUP_KEEP_WEEKLY,
})

async function runOptions(config: BackupConfig): Promise<RunOptions> {
  return {
    url: need(config, 'BITKA_BACKUP_DB_URL'),
    dataDir: need(config, 'BITKA_BACKUP_DATA_DIR'),
    store: storeOf(config),
    ...(await sealFor(need(config, 'BITKA_BACKUP_RECIPIENTS_FILE'))),
    ...(config.BITKA_BACKUP_SIGNING_KEY_FILE && { sign: await signWith(config.BITKA_BACKUP_SIGNING_KEY_FILE) }),
    keep: keepOf(config),
    intervalMs: config.BITKA_BACKUP_INTERVAL_H * 3_600_000,
    spoolDir: config.BITKA_BACKUP_WAL_SPOOL,
    metricsFile: config.BITKA_BACKUP_METRICS_FILE,
    metrics:
      config.BITKA_BACKUP_METRICS_PORT === undefined
        ? undefined
        : { host: config.BITKA_BACKUP_METRICS_HOST, port: config.BITKA_BACKUP_METRICS_PORT },
    log: logOf(config),
  }
}

function targetOf(text: string): RestoreTarget {
  if (text === 'backup' || text === 'latest') return text
  const at = new Date(text)
  if (Number.isNaN(at.getTime())) throw new ConfigError(`"${text}" is no target: backup, latest or a time (RFC 3339)`)
  return at
}

type Values = Record<'data-dir' | 'id' | 'target' | 'port' | 'url' | 'out', string | undefined> & { 'new-log': boolean }

async function restoreAndVerify(config: BackupConfig, values: Values): Promise<void> {
  const dataDir = values['data-dir']
  if (dataDir === undefined) throw new ConfigError('restore needs --data-dir')
  const store = storeOf(config)
  const signers = config.BITKA_BACKUP_SIGNERS_FILE
  if (signers === undefined) print('-     who wrote the backup: not checked, BITKA_BACKUP_SIGNERS_FILE is not set')
  const { id } = await findBackup(store, values.id ?? 'latest')
  const { server } = await restore({
    store,
    openSeal: await openWith(need(config, 'BITKA_BACKUP_IDENTITY_FILE')),
    ...(signers !== undefined && { checkSignature: await signedByOneOf(signers) }),
    id,
    target: targetOf(values.target ?? 'latest'),
    dataDir: resolve(dataDir),
    adminPassword: need(config, 'BITKA_BACKUP_ADMIN_PASSWORD'),
    port: values.port === undefined ? undefined : Number(values.port),
    log: logOf(config),
  })
  try {
    const url = databaseUrl(server.adminUrl, { database: config.BITKA_BACKUP_DATABASE })
    await verify({ url, print })
    if (values['new-log']) await prepareForNewLog({ url, print })
  } finally {
    await server.stop()
  }
  print(`restored ${id} into ${resolve(dataDir)}; the server is stopped`)
}

/** Opens the event log when the configuration names one. */
async function withLog(config: BackupConfig, work: (log: EventLog | undefined) => Promise<void>): Promise<void> {
  const brokers = config.BITKA_BACKUP_KAFKA_BROKERS
  if (brokers === undefined) return await work(undefined)
  const logger = logOf(config)
  const identity = WorkloadIdentity.connect({ socketPath: need(config, 'BITKA_BACKUP_IDENTITY_SOCKET'), log: logger })
  await identity.ready()
  const log = openKafkaLog({
    brokers: brokers.split(','),
    service: 'backup',
    logger,
    tls: () => {
      const { privateKeyPem: key, certificatePem: cert, bundlePem: ca } = identity.current()
      return { key, cert, ca, checkServerIdentity: brokerCheck(config.BITKA_BACKUP_TRUST_DOMAIN) }
    },
  })
  try {
    await work(log)
  } finally {
    await log.close()
    identity.close()
  }
}

/** The exchange's database on the server that is named. */
const urlOf = (config: BackupConfig, { url }: Values): string =>
  databaseUrl(url ?? need(config, 'BITKA_BACKUP_DB_URL'), { database: config.BITKA_BACKUP_DATABASE })

async function keygen(out: string | undefined): Promise<void> {
  const identity = await generateIdentity()
  await writeSecret(out, `${identity}\n`)
  print(await identityToRecipient(identity))
}

async function signingKeygen(out: string | undefined): Promise<void> {
  const { privateKeyPem, publicKey } = newSigningKey()
  await writeSecret(out, privateKeyPem)
  print(publicKey)
}

/** Never over a key that is there. */
async function writeSecret(out: string | undefined, text: string): Promise<void> {
  if (out === undefined) throw new ConfigError('a new key needs --out')
  await writeFile(out, text, { mode: 0o600, flag: 'wx' })
  await chmod(out, 0o600)
}

async function run(config: BackupConfig): Promise<void> {
  const backups = await runBackups(await runOptions(config))
  const stop = (): void => void backups.stop().then(() => process.exit(0))
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      'data-dir': { type: 'string' },
      id: { type: 'string' },
      target: { type: 'string' },
      port: { type: 'string' },
      url: { type: 'string' },
      out: { type: 'string' },
      'new-log': { type: 'boolean', default: false },
    },
  })
  const given: Values = {
    'data-dir': undefined,
    id: undefined,
    target: undefined,
    port: undefined,
    url: undefined,
    out: undefined,
    ...values,
  }
  const [command] = positionals
  if (command === 'keygen') return await keygen(given.out)
  if (command === 'signing-keygen') return await signingKeygen(given.out)
  const commands: Record<string, (config: BackupConfig) => Promise<void>> = {
    backup: async (config) => backupOnce(await runOptions(config)),
    run,
    list: async (config) => {
      for (const { id, finishedAt, object } of await listBackups(storeOf(config))) {
        print(`${id}  finished ${finishedAt}  ${object.bytes} bytes`)
      }
    },
    prune: async (config) => void (await prune(storeOf(config), keepOf(config), logOf(config))),
    restore: (config) => restoreAndVerify(config, given),
    'new-log': (config) => prepareForNewLog({ url: urlOf(config, given), print }),
    verify: async (config) => {
      const url = urlOf(config, given)
      await withLog(config, (log) => verify({ url, print, ...(log && { log }) }))
    },
  }
  const chosen = commands[command ?? '']
  if (!chosen) {
    process.stdout.write(USAGE)
    process.exitCode = 2
    return
  }
  await chosen(loadConfig(backupSchema, process.env, { prefix: 'BITKA_BACKUP_' }))
}

main().catch((error: unknown) => {
  // One line for people, with what lies behind it: a restore's cause is the news.
  const causes: string[] = []
  for (let at = error; at instanceof Error; at = at.cause) causes.push(at.message)
  process.stderr.write(`${causes.join(': ') || String(error)}\n`)
  process.exit(1)
})
