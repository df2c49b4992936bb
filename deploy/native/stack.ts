import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { svidFiles } from '@bitka/dev-ca'
import { databaseRoles, keepPostgres, loadSecrets, prepareDatabase } from '@bitka/embedded'
import { type Logger, Loop } from '@bitka/kernel'
import { startMailSink } from '@bitka/mail-sink'
import { spiffeId } from '@bitka/mesh'
import { type Program, type SupervisedProcess, Supervisor } from '@bitka/supervisor'
import { prepareEnvoy } from '../envoy/native.ts'
import { filesDir, nativeWorkloads, socketFile } from '../identity/workloads.ts'
import { kafkaReady, prepareKafka } from '../kafka/native.ts'
import { infrastructure, serviceTable } from '../table/index.ts'
import { type Controls, serveControls } from './control.ts'
import {
  type Env,
  kafkaBrokers,
  REPLICA_STEP,
  replicaOf,
  rowOf,
  stackEnvironments,
  trustDomain,
} from './environment.ts'
import { removeFacts, type StackFacts, writeFacts } from './facts.ts'
import { isRoot } from './home.ts'
import { ensureEnvoy, ensureKafka } from './parts.ts'
import { openPublicTls } from './public-tls.ts'
import { makeRelease, reachableNode } from './release.ts'

const NODE_FLAGS = ['--tls-min-v1.3', '--enable-source-maps']
const POSTGRES_PORT = 7432
const READY_TIMEOUT_MS = 180_000
const OPERATOR_EMAIL = 'operator@bitka.local'

export type StackOptions = {
  home: string
  log: Logger
  /** What the stack is doing, for whoever waits. */
  onStep?: (step: string) => void
  /** How long SVIDs live; default an hour. */
  svidTtlS?: number
  /** Multiplies the gateway's limits; 0 turns them off. Default 1. */
  rateLimitScale?: number
  logLevel?: string
  /** Where spans of traces go. */
  tracing?: { endpoint?: string; ratio?: string }
}

export type Stack = { facts: StackFacts; controls: Controls; stop(): Promise<void> }

/** Starts everything, each program in a process of its own, and as root under an account of its own. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const builder = new StackBuilder(options)
  try {
    return await builder.start()
  } catch (error) {
    await builder.stop()
    throw error
  }
}

class StackBuilder {
  private readonly stops: (() => Promise<unknown>)[] = []
  private readonly identityDir: string
  private readonly programs = new Map<string, Program>()
  private readonly supervisor: Supervisor
  private readonly step: (name: string) => void
  private node = process.execPath
  private release = ''

  constructor(private readonly options: StackOptions) {
    const { home, log } = options
    mkdirSync(home, { recursive: true, mode: 0o711 })
    if (isRoot()) chmodSync(home, 0o711)
    this.identityDir = join(home, 'identity')
    this.supervisor = new Supervisor(home, log)
    this.step = (name) => {
      log.info({ step: name }, 'starting the stack')
      options.onStep?.(name)
    }
  }

  async start(): Promise<Stack> {
    const { home, log } = this.options
    this.step('installing Kafka and Envoy')
    const [kafkaParts, envoy] = [await ensureKafka(home), await ensureEnvoy(home)]
    const startedMs = performance.now()
    this.node = reachableNode(home)
    this.release = makeRelease(
      home,
      serviceTable.filter(({ database }) => database).map(({ name }) => name),
    )
    const { files: publicTls, stop: stopPublicTls } = await openPublicTls(home, log)
    this.stops.push(stopPublicTls)
    this.step('identity')
    await this.startIdentity()
    this.step('PostgreSQL')
    const postgres = await this.startPostgres()
    this.step('Kafka')
    await this.startKafka(kafkaParts)
    this.step('services')
    const password = operatorPassword(home)
    const sink = await this.startMail(publicTls)
    const secrets = loadSecrets(home, databaseRoles)
    const env = stackEnvironments({
      home,
      urlOf: await prepareDatabase(postgres.adminUrl, secrets),
      secrets,
      mailUrl: sink.url,
      mailCaFile: publicTls.caFile,
      operator: { email: OPERATOR_EMAIL, password },
      rateLimitScale: this.options.rateLimitScale ?? 1,
      logLevel: this.options.logLevel ?? 'info',
      tracing: this.options.tracing,
    })
    for (const [name, own] of env) this.addService(name, own)
    for (const { name } of serviceTable) this.run(name)
    this.step('Envoy')
    const edge = await prepareEnvoy({
      binary: envoy,
      dir: join(home, 'envoy'),
      uid: accountOf('envoy'),
      trustDomain,
      identityFiles: svidFiles(filesDir(this.identityDir, 'envoy')),
      publicTls,
      internalCallers: [spiffeId(trustDomain, 'internal-caller')],
      gatewayPorts: [rowOf('gateway').port, rowOf('gateway').port + REPLICA_STEP],
    })
    this.add({ name: 'envoy', ...edge.program, channel: false, uid: accountOf('envoy') })
    this.run('envoy')
    const url = `https://localhost:${edge.ports.public}`
    await untilReady(`${url}/readyz`, publicTls.caFile)
    const facts: StackFacts = {
      pid: process.pid,
      home,
      url,
      adminUrl: `https://localhost:${edge.ports.admin}`,
      meshUrl: `https://localhost:${edge.ports.mesh}`,
      caFile: publicTls.caFile,
      operatorEmail: OPERATOR_EMAIL,
      operatorPassword: password,
      controlSocket: join(home, 'control.sock'),
      postgres,
      kafka: { brokers: kafkaBrokers },
      identityDir: this.identityDir,
      trustDomain,
      startedMs: Math.round(performance.now() - startedMs),
    }
    const controls: Controls = {
      processes: () => this.processes(postgres.pid),
      stop: (name) => this.supervisor.stop(name),
      start: async (name) => this.run(name),
    }
    const server = await serveControls(facts.controlSocket, controls, log)
    this.stops.push(() => server.close())
    writeFacts(facts)
    this.stops.push(async () => removeFacts(home))
    return { facts, controls, stop: () => this.stop() }
  }

  /** Ends everything that was started, the public side first. */
  async stop(): Promise<void> {
    for (const step of this.stops.splice(0).reverse()) await step()
  }

  private add(program: Program): void {
    this.programs.set(program.name, program)
  }

  private run(name: string): void {
    const program = this.programs.get(name)
    if (!program) throw new Error(`the stack has no program ${name}`)
    this.supervisor.run(program)
    this.stops.push(() => this.supervisor.stop(name))
  }

  private nodeProgram(name: string, file: string, env: Env, uid?: number): Program {
    return {
      name,
      command: this.node,
      args: [...NODE_FLAGS, join(this.release, 'dist', `${file}.mjs`)],
      env: { BITKA_CRASH_POINT_FILE: process.env.BITKA_CRASH_POINT_FILE, ...env },
      uid,
      cwd: this.release,
    }
  }

  private addService(name: string, env: Env): void {
    const row = rowOf(name)
    const uid = isRoot() ? row.uid : undefined
    this.add(this.nodeProgram(name, name, env, uid))
    this.add(this.nodeProgram(`${name}-2`, name, replicaOf(row, env), uid))
  }

  private processes(postgresPid: () => number): SupervisedProcess[] {
    return [...this.supervisor.processes(), { name: 'postgres', pid: postgresPid(), restarts: 0 }]
  }

  private async startIdentity(): Promise<void> {
    this.add(
      this.nodeProgram('identity', 'identity', {
        BITKA_IDENTITY_DIR: this.identityDir,
        BITKA_IDENTITY_ACCOUNTS: isRoot() ? 'yes' : 'no',
        BITKA_TRUST_DOMAIN: trustDomain,
        BITKA_SVID_TTL_S: String(this.options.svidTtlS ?? 3600),
      }),
    )
    this.run('identity')
    const sockets = nativeWorkloads(this.identityDir, false).map(({ name }) => socketFile(this.identityDir, name))
    await until('the identity process', () => sockets.every((socket) => existsSync(socket)))
    if (isRoot()) for (const dir of ['', 'files', 'bundle']) chmodSync(join(this.identityDir, dir), 0o711)
  }

  private async startPostgres(): Promise<{ adminUrl: string; dataDir: string; pid: () => number }> {
    const { home, log } = this.options
    const files = filesDir(this.identityDir, 'postgres')
    const dataDir = join(home, 'postgres', 'data')
    const kept = await keepPostgres({ dataDir, port: POSTGRES_PORT, tls: svidFiles(files), log })
    this.stops.push(() => kept.stop())
    let seen = ''
    const reload = new Loop({ name: 'postgres.certificate', intervalMs: 500, log }, async () => {
      const now = readlinkSync(join(files, '..data'))
      if (seen !== '' && now !== seen) kept.server().reload()
      seen = now
    })
    this.stops.push(() => reload.stop())
    return { adminUrl: kept.adminUrl, dataDir, pid: () => kept.server().pid }
  }

  private async startKafka(parts: string): Promise<void> {
    const { home } = this.options
    const tls = svidFiles(filesDir(this.identityDir, 'kafka'))
    const uid = accountOf('kafka')
    const program = await prepareKafka({ parts, dataDir: join(home, 'kafka'), tls, trustDomain, uid })
    this.add({ name: 'kafka', ...program, channel: false, uid })
    this.run('kafka')
    await until('Kafka', () => kafkaReady(kafkaBrokers, svidFiles(filesDir(this.identityDir, 'kafka-admin'))))
    const admin = this.nodeProgram('kafka-admin', 'kafka-admin', {
      BITKA_KAFKA_BROKERS: kafkaBrokers,
      BITKA_TRUST_DOMAIN: trustDomain,
      SPIFFE_ENDPOINT_SOCKET: socketFile(this.identityDir, 'kafka-admin'),
    })
    const env = { ...admin.env, PATH: process.env.PATH } as NodeJS.ProcessEnv
    const account = accountOf('kafka-admin')
    const { stdout } = await promisify(execFile)(admin.command, [...admin.args], {
      env,
      cwd: this.release,
      ...(account !== undefined && { uid: account, gid: account }),
    })
    this.options.log.info({ said: stdout.slice(-2_000) }, 'topics and access lists are in place')
  }

  private async startMail(tls: { certFile: string; keyFile: string }): Promise<{ url: string }> {
    const { home, log } = this.options
    const folder = join(home, 'outbox')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const sink = await startMailSink({
      folder,
      apiKey: loadSecrets(home, databaseRoles).mailApiKey,
      log,
      tls: { cert: readFileSync(tls.certFile, 'utf8'), key: readFileSync(tls.keyFile, 'utf8') },
    })
    this.stops.push(() => sink.stop())
    return sink
  }
}

/** The account of a program that is not ours; none for an ordinary user, who has one for all. */
function accountOf(name: string): number | undefined {
  return isRoot() ? infrastructure.find((row) => row.name === name)?.uid : undefined
}

/** Made once; the first operator is made with it. */
function operatorPassword(home: string): string {
  const file = join(home, 'operator-password')
  if (!existsSync(file)) {
    const given = process.env.BITKA_OPERATOR_PASSWORD ?? randomBytes(15).toString('base64url')
    writeFileSync(file, given, { mode: 0o600 })
  }
  return readFileSync(file, 'utf8')
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not become ready; its log says why`)
    await pause(50)
  }
}

/** Waits for a 200 over TLS. */
async function untilReady(url: string, caFile: string): Promise<void> {
  const ca = readFileSync(caFile)
  const ask = (): Promise<boolean> =>
    new Promise((resolve) => {
      get(url, { ca, timeout: 5_000 }, (response) => {
        response.resume()
        resolve(response.statusCode === 200)
      })
        .once('timeout', function (this: { destroy(): void }) {
          this.destroy()
        })
        .once('error', () => resolve(false))
    })
  await until('the exchange', ask)
}
