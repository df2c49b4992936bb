import { type ChildProcess, spawn } from 'node:child_process'
import { open, readFile, realpath, rename, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, isAbsolute } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { assert, type Logger } from '@bitka/kernel'
import pg from 'pg'
import { type Account, accountFor, prepareParent } from './account.ts'
import { type Binaries, findBinaries } from './binaries.ts'
import { ADMIN, ensureDataDirectory, ensurePassword, serverEnv } from './initialize.ts'
import { disarmLockFile, isPostmaster, readLockFile } from './lock-file.ts'
import { isRunning, signal, until } from './process.ts'
import { defaultSettings, type Settings, toArguments } from './settings.ts'
import { DEFAULT_SHELTER, reachableBinaries, reachableDataDir } from './shelter.ts'
import { type TlsFiles, tlsParameters, tlsSettings } from './tls.ts'

export type StartOptions = {
  /** Absolute path of the data directory, made at the first start. Password, port and log are kept in files beside it. */
  dataDir: string
  /** TCP port on 127.0.0.1; 0 or none: a free one, the same at every start as long as it is free. */
  port?: number
  log: Logger
  /** Run-time settings that differ from our defaults. */
  settings?: Settings
  /** TLS 1.3 for every connection, and no other connections. Without it: plaintext on loopback. */
  tls?: TlsFiles
  /** Where root's PostgreSQL lives when its account cannot enter the folders above dataDir; default /var/lib/bitka. */
  shelterDir?: string
}

export type EmbeddedPostgres = {
  /** URL of the superuser and the database "postgres". A secret. */
  readonly adminUrl: string
  readonly port: number
  /** The postmaster. */
  readonly pid: number
  /** True when it ran already: a crash of our process had left it. */
  readonly adopted: boolean
  /** Reads certificates and settings again; connections that are open stay. */
  reload(): void
  /** Stops the server: open transactions are rolled back, everything committed is on disk. */
  stop(): Promise<void>
  /** Kills the postmaster as a crash would. For fault tests. */
  kill(): Promise<void>
}

type Server = { dataDir: string; password: string; log: Logger; tls: TlsFiles | undefined }
type Launch = Server & { port: number; binaries: Binaries; account: Account | undefined; settings: Settings }

/** A server that recovers after a crash answers late, and is not to be given up. */
const START_TIMEOUT_MS = 300_000
/** Orphaned backends of a killed server end within moments. */
const RETRY_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 30_000
const LOG_LIMIT_BYTES = 10 * 1024 * 1024

/**
 * Starts the PostgreSQL of a data directory, or adopts the one that already runs there. The server is a process group of
 * its own: it outlives us when we are killed, and Ctrl-C in a terminal does not reach it.
 */
export async function startPostgres(options: StartOptions): Promise<EmbeddedPostgres> {
  assert(isAbsolute(options.dataDir), 'dataDir must be an absolute path')
  const { log, shelterDir: shelter = DEFAULT_SHELTER } = options
  const account = await accountFor(options.dataDir)
  const reachable = await reachableDataDir(options.dataDir, account, shelter, log)
  await prepareParent(reachable, account)
  // A resolved path, since the server reports itself by it.
  const dataDir = reachable.replace(dirname(reachable), await realpath(dirname(reachable)))
  const server: Server = { dataDir, password: await ensurePassword(dataDir), log, tls: options.tls }
  const running = await adopt(server)
  if (running) {
    if (options.port && options.port !== running.port) {
      throw new Error(
        `PostgreSQL (pid ${running.pid}) already runs on port ${running.port}, not ${options.port}: stop it first`,
      )
    }
    log.info({ port: running.port, pid: running.pid }, 'PostgreSQL adopted')
    return handle(server, running.port, running.pid)
  }
  const binaries = await reachableBinaries(findBinaries(), account, shelter)
  const state = await ensureDataDirectory(dataDir, server.password, binaries, account)
  const port = await choosePort(dataDir, options.port ?? 0)
  const tls = options.tls ? await tlsSettings(dataDir, options.tls, account) : {}
  const settings = { ...defaultSettings, ...tls, ...options.settings }
  const child = await launch({ ...server, port, binaries, account, settings })
  await writeFile(`${dataDir}.port`, `${port}\n`)
  log.info({ port, pid: child.pid, state }, 'PostgreSQL started')
  return handle(server, port, child.pid, child)
}

/** The server that runs on this data, proven by a query; waits for one that is just starting, recovering or stopping. */
async function adopt(server: Server): Promise<{ port: number; pid: number } | undefined> {
  const deadline = performance.now() + START_TIMEOUT_MS
  for (;;) {
    const lock = await readLockFile(server.dataDir)
    if (!lock) return undefined
    if (lock.port > 0 && (await answers(server, lock.port))) return lock
    if (!(await isPostmaster(lock.pid, server.dataDir))) {
      await disarmLockFile(server.dataDir)
      return undefined
    }
    if (performance.now() > deadline)
      throw new Error(`PostgreSQL (pid ${lock.pid}) runs on this data but does not answer`)
    await sleep(50)
  }
}

const adminUrl = ({ password, tls }: Server, port: number): string =>
  tls
    ? `postgres://${ADMIN}:${password}@localhost:${port}/postgres?${tlsParameters(tls)}`
    : `postgres://${ADMIN}:${password}@127.0.0.1:${port}/postgres`

/** True when our server answers a query on that port: another one there has other data or another password. */
async function answers(server: Server, port: number): Promise<boolean> {
  const client = new pg.Client({
    connectionString: adminUrl(server, port),
    connectionTimeoutMillis: 2_000,
    query_timeout: 2_000,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query<{ data_directory: string }>('show data_directory')
    return rows[0]?.data_directory === server.dataDir
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function choosePort(dataDir: string, wanted: number): Promise<number> {
  if (wanted > 0) {
    if (await listenOnce(wanted)) return wanted
    throw new Error(`port ${wanted} on 127.0.0.1 is in use by another program`)
  }
  const remembered = Number(await readFile(`${dataDir}.port`, 'utf8').catch(() => '0'))
  const port = (remembered > 0 && (await listenOnce(remembered))) || (await listenOnce(0))
  assert(port, 'no free port')
  return port
}

/** Binds the port for a moment; answers it, or undefined when it is taken. Port 0 asks for any free one. */
function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(undefined))
    probe.listen(port, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : undefined))
    })
  })
}

type Child = ChildProcess & { pid: number }

/** Starts the server and waits until it answers. Tries again while a killed server's backends still hold its memory. */
async function launch(options: Launch): Promise<Child> {
  const deadline = performance.now() + RETRY_TIMEOUT_MS
  for (;;) {
    const { child, logOffset } = await spawnServer(options)
    if (await ready(options, child)) return child
    const said = (await readFile(`${options.dataDir}.log`)).subarray(logOffset).toString().trim()
    const isTemporary = /still in use|lock file "postmaster.pid" already exists/.test(said)
    if (!isTemporary || performance.now() > deadline)
      throw new Error(`PostgreSQL did not start: ${said || 'it said nothing'}`)
    await sleep(100)
  }
}

async function spawnServer({
  dataDir,
  port,
  binaries,
  account,
  settings,
}: Launch): Promise<{ child: Child; logOffset: number }> {
  const path = `${dataDir}.log`
  const size = await stat(path).then(
    (file) => file.size,
    () => 0,
  )
  const isFull = size > LOG_LIMIT_BYTES
  if (isFull) await rename(path, `${path}.1`)
  // A file and not a pipe: a pipe would break when we are killed.
  const logFile = await open(path, 'a', 0o600)
  try {
    const child = spawn(binaries.postgres, ['-D', dataDir, '-p', String(port), ...toArguments(settings)], {
      cwd: '/',
      env: serverEnv(),
      detached: true,
      stdio: ['ignore', logFile.fd, logFile.fd],
      ...account,
    })
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
    child.unref()
    assert(child.pid !== undefined, 'a spawned process has a pid')
    return { child: child as Child, logOffset: isFull ? 0 : size }
  } finally {
    await logFile.close()
  }
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

/** True once the server answers, false when it ended instead. */
async function ready(server: Launch, child: Child): Promise<boolean> {
  let isReady = false
  const settled = await until(async () => {
    isReady = !hasEnded(child) && (await answers(server, server.port))
    return isReady || hasEnded(child)
  }, START_TIMEOUT_MS)
  if (settled) return isReady
  signal(child.pid, 'SIGQUIT')
  throw new Error(`PostgreSQL did not answer within ${START_TIMEOUT_MS / 1000} s`)
}

function handle(server: Server, port: number, pid: number, child?: Child): EmbeddedPostgres {
  const isGone = async () => (child ? hasEnded(child) : !(await isRunning(pid)))
  // Keeps the event loop alive while it waits, which an unref'd child does not.
  const end = async (name: NodeJS.Signals, timeoutMs: number) =>
    (await isGone()) || !signal(pid, name) || (await until(isGone, timeoutMs, 10))
  return {
    adminUrl: adminUrl(server, port),
    port,
    pid,
    adopted: child === undefined,
    reload: () => {
      signal(pid, 'SIGHUP')
    },
    async stop() {
      // SIGINT is PostgreSQL's "fast" shutdown.
      if (await end('SIGINT', STOP_TIMEOUT_MS)) return
      server.log.warn({ pid }, 'PostgreSQL did not stop in time, it will recover at its next start')
      await end('SIGQUIT', STOP_TIMEOUT_MS)
    },
    async kill() {
      await end('SIGKILL', STOP_TIMEOUT_MS)
    },
  }
}
