import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { startDevCa } from '@bitka/dev-ca'
import { startPostgres } from '@bitka/embedded-pg'
import { syncTopics } from '@bitka/events'
import { silentLogger } from '@bitka/kernel'
import { type Client, createClient, type ServiceName, serviceNames, WorkloadIdentity } from '@bitka/mesh'
import { LedgerPostingService, LedgerService } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import { repositoryFolder } from '@bitka/service'
import { appRole, bootstrapDatabase, createDatabase, databaseUrl, migrate, openDb, ownerRole } from '@bitka/store'
import { type FakeAuth, fakeAuth, freePort, waitFor } from '@bitka/testkit'
import type { Cleanup } from '../cleanup.ts'

/** The ledger's own program in a process of its own, on a PostgreSQL of its own with the settings that `make up` uses. */
export type LedgerServer = {
  /** The admin of the database. */
  adminUrl: string
  /** The ledger's own role: its sessions have the settings that count. */
  appUrl: string
  auth: FakeAuth
  ledger: Client<typeof LedgerService>
  posting: Client<typeof LedgerPostingService>
  ledgerPid: number
  postgresPid: number
}

const schemas = [...serviceNames.filter((name) => name !== 'gateway'), 'event_log'] as const

export async function startLedgerServer(folder: string, cleanup: Cleanup): Promise<LedgerServer> {
  const postgres = await startPostgres({ dataDir: join(folder, 'pg', 'data'), log: silentLogger })
  cleanup.add('PostgreSQL', () => postgres.stop())
  const adminUrl = await createDatabase(postgres.adminUrl, 'bench')
  const passwords = new Map(schemas.flatMap((name) => [ownerRole(name), appRole(name)]).map((role) => [role, secret()]))
  const password = (role: string): string => passwords.get(role) ?? ''
  await bootstrapDatabase({
    adminUrl,
    services: schemas.map((service) => ({
      service,
      ownerPassword: password(ownerRole(service)),
      appPassword: password(appRole(service)),
    })),
  })
  const urlOf = (role: string): string => databaseUrl(adminUrl, { user: role, password: password(role) })
  await prepareEventLog(urlOf(ownerRole('event_log')))

  const services = serviceNames.map((name) => ({ name }))
  const ca = await startDevCa({ dir: join(folder, 'identity'), services, log: silentLogger })
  cleanup.add('CA', () => ca.stop())
  const peers = new Map<string, number>()
  const auth = await fakeAuth({ ca, at: (name, port) => peers.set(name, port) })
  cleanup.add('directory', () => auth.stop())
  const port = await freePort()
  const child = startProgram('ledger', join(folder, 'ledger.out'), {
    BITKA_PROFILE: 'demo',
    BITKA_LOG_LEVEL: 'warn',
    BITKA_DB_URL: urlOf(appRole('ledger')),
    BITKA_DB_OWNER_URL: urlOf(ownerRole('ledger')),
    BITKA_RPC_PORT: String(port),
    BITKA_SEED_FILE: repositoryFolder('embedded/src/seed.json'),
    BITKA_TRUST_DOMAIN: ca.trustDomain,
    BITKA_PEERS: [...peers].map(([name, at]) => `${name}=localhost:${at}`).join(','),
    SPIFFE_ENDPOINT_SOCKET: ca.socketPath('ledger'),
  })
  cleanup.add('ledger', () => end(child))
  const target = `localhost:${port}`
  const connect = async (caller: ServiceName) => {
    const identity = WorkloadIdentity.connect({ socketPath: ca.socketPath(caller), log: silentLogger })
    cleanup.add(`identity of ${caller}`, () => identity.close())
    await identity.ready()
    return { identity, target, expect: 'ledger', log: silentLogger, defaultDeadlineMs: 30_000 } as const
  }
  const ledger = createClient(LedgerService, await connect('gateway'))
  const posting = createClient(LedgerPostingService, await connect('order'))
  cleanup.add('clients', () => {
    ledger.close()
    posting.close()
  })
  await waitFor(
    async () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
      return (await ledger.listAssets({}, { deadlineMs: 2_000 })).assets.length > 0
    },
    { timeoutMs: 60_000, what: 'the ledger to answer' },
  )
  return {
    adminUrl,
    appUrl: urlOf(appRole('ledger')),
    auth,
    ledger,
    posting,
    ledgerPid: child.pid ?? 0,
    postgresPid: postgres.pid,
  }
}

const secret = (): string => randomBytes(18).toString('base64url')

async function prepareEventLog(ownerUrl: string): Promise<void> {
  const folder = repositoryFolder('libs/events/migrations')
  await migrate({ ownerUrl, schema: 'event_log', folder, appRole: appRole('event_log'), log: silentLogger })
  const db = openDb({ url: ownerUrl, schema: 'event_log', poolSize: 1 })
  await syncTopics(db)
  await db.close()
}

function startProgram(name: string, output: string, env: Record<string, string>): ChildProcess {
  const file = join(repositoryFolder('dist'), `${name}.mjs`)
  const child = spawn(process.execPath, ['--tls-min-v1.3', '--enable-source-maps', file], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log = createWriteStream(output)
  child.stdout.pipe(log, { end: false })
  child.stderr.pipe(log, { end: false })
  return child
}

/** SIGTERM, and SIGKILL for one that does not end by itself. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const killer = setTimeout(() => child.kill('SIGKILL'), 15_000)
  child.kill('SIGTERM')
  await ended
  clearTimeout(killer)
}
