import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, mkdir, open, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type SvidFiles, svidFiles } from '@bitka/dev-ca'
import { kafkaIsReady } from '@bitka/events'
import { brokerCheck } from '@bitka/service'
import { renderServerProperties } from './server-properties.ts'

const run = promisify(execFile)

export type KafkaOptions = {
  /** What `ensureKafka` installed: jars/ of Kafka and plugin/ of ours. */
  parts: string
  /** Where the broker keeps everything. Made when missing. */
  dataDir: string
  /** The broker's certificate files. */
  tls: SvidFiles
  trustDomain: string
  /** The account that the broker runs under; needs root. */
  uid?: number
  /** Where clients come to. Default 9093. */
  port?: number
  /** Default: the port after that. */
  controllerPort?: number
  /** Heap, MiB. */
  heapMiB?: number
}

/** What a supervisor starts. */
export type KafkaProgram = { command: string; args: string[]; env: Record<string, string>; cwd: string }

const DEFAULT_PORT = 9093
const HOST = '127.0.0.1'

/** Writes the configuration, formats an empty data directory and answers what to start. */
export async function prepareKafka(options: KafkaOptions): Promise<KafkaProgram> {
  const { parts, dataDir, tls, trustDomain, uid, port = DEFAULT_PORT, heapMiB = 384 } = options
  const { controllerPort = port + 1 } = options
  const data = join(dataDir, 'data')
  for (const folder of [dataDir, data]) {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    if (uid !== undefined) await chown(folder, uid, uid)
  }
  const config = join(dataDir, 'server.properties')
  const text = renderServerProperties({
    trustDomain,
    svidFiles: [tls.keystoreFile],
    bundleFile: tls.caFile,
    dataDir: data,
    host: HOST,
    port,
    advertised: `localhost:${port}`,
    controller: `${HOST}:${controllerPort}`,
  })
  await writeFile(`${config}.next`, text, { mode: 0o644 })
  await rename(`${config}.next`, config)
  const classPath = `${join(parts, 'jars', '*')}:${join(parts, 'plugin', '*')}`
  const env = { PATH: process.env.PATH ?? '', LANG: 'C.UTF-8' }
  const isFormatted = await stat(join(data, 'meta.properties')).then(
    () => true,
    () => false,
  )
  if (!isFormatted) {
    const id = clusterId()
    await run('java', ['-Xmx128m', '-cp', classPath, 'kafka.tools.StorageTool', 'format', '-t', id, '-c', config], {
      cwd: dataDir,
      env,
      ...(uid !== undefined && { uid, gid: uid }),
    })
  }
  const memory = ['-Xms64m', `-Xmx${heapMiB}m`, '-XX:+UseSerialGC', '-XX:-UsePerfData', '-XX:+ExitOnOutOfMemoryError']
  const logging = Object.entries(logLevels).map(([name, level]) => `-Dorg.slf4j.simpleLogger.${name}=${level}`)
  const network = ['-Djava.net.preferIPv4Stack=true']
  const args = [...memory, ...logging, ...network, '-cp', classPath, 'kafka.Kafka', config]
  return { command: 'java', args, env, cwd: dataDir }
}

/** Warnings, and everything that was refused: handshakes, and operations without a rule. */
const logLevels = {
  defaultLogLevel: 'warn',
  showDateTime: 'true',
  dateTimeFormat: "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
  'log.kafka.authorizer.logger': 'info',
  'log.org.apache.kafka.common.network.Selector': 'info',
  'log.bitka.kafka': 'info',
}

/** 16 random bytes as Kafka writes them; it takes a leading '-' for an option. */
function clusterId(): string {
  for (;;) {
    const id = randomBytes(16).toString('base64url')
    if (!id.startsWith('-')) return id
  }
}

/** True when the broker answers the holder of these certificate files; it never rejects. */
export async function kafkaReady(brokers: string, files: SvidFiles, trustDomain = 'bitka.local'): Promise<boolean> {
  try {
    const [key, cert, ca] = await Promise.all(
      [files.keyFile, files.certFile, files.caFile].map((file) => readFile(file, 'utf8')),
    )
    if (!key || !cert || !ca) return false
    const checkServerIdentity = brokerCheck(trustDomain)
    return await kafkaIsReady({ brokers: brokers.split(','), tls: () => ({ key, cert, ca, checkServerIdentity }) })
  } catch {
    return false
  }
}

export type NativeKafka = {
  readonly brokers: string
  readonly pid: number
  /** SIGTERM, and SIGKILL when that does not help. */
  stop(): Promise<void>
  /** SIGKILL, as a crash would be. */
  kill(): Promise<void>
  /** Starts it again after stop or kill, and waits until it answers. */
  start(): Promise<void>
}

const READY_TIMEOUT_MS = 120_000
const STOP_TIMEOUT_MS = 30_000

/** Runs a broker of its own, for tests and the bench; the stack's broker runs under the supervisor. */
export async function startKafka(
  options: KafkaOptions & { logFile: string; adminFilesDir: string },
): Promise<NativeKafka> {
  const { logFile, adminFilesDir, uid, trustDomain, port = DEFAULT_PORT } = options
  const program = await prepareKafka(options)
  const brokers = `localhost:${port}`
  let ended: Promise<unknown> = Promise.resolve()
  let child: ReturnType<typeof spawn> | undefined
  const start = async (): Promise<void> => {
    const output = await open(logFile, 'a', 0o600)
    const started = spawn(program.command, program.args, {
      cwd: program.cwd,
      env: program.env,
      stdio: ['ignore', output.fd, output.fd],
      ...(uid !== undefined && { uid, gid: uid }),
    })
    await output.close()
    child = started
    ended = new Promise((resolve) => started.once('exit', resolve).once('error', resolve))
    const deadlineMs = performance.now() + READY_TIMEOUT_MS
    while (!(await kafkaReady(brokers, svidFiles(adminFilesDir), trustDomain))) {
      if (started.exitCode !== null || started.pid === undefined || performance.now() > deadlineMs) {
        started.kill('SIGKILL')
        throw new Error(`Kafka did not start: ${(await readFile(logFile, 'utf8')).slice(-2_000)}`)
      }
      await sleep(100)
    }
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child?.kill(signal)
    const killer = setTimeout(() => child?.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await ended
    clearTimeout(killer)
  }
  await start()
  return {
    brokers,
    get pid() {
      return child?.pid ?? 0
    },
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
}
