import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createLogger, silentLogger } from '@bitka/kernel'
import { pino } from 'pino'
import { readFacts, type StackFacts } from './facts.ts'
import { stackHome } from './home.ts'
import { PartError } from './parts.ts'
import { openPublicTls } from './public-tls.ts'
import { startStack } from './stack.ts'

const USAGE = 'usage: stack up | down | status | run | home | ca'
/** Downloads included. */
const UP_TIMEOUT_MS = 900_000
const DOWN_TIMEOUT_MS = 300_000

/** `run`: keeps the stack in the foreground until a signal. */
async function run(home: string): Promise<void> {
  mkdirSync(join(home, 'log'), { recursive: true, mode: 0o700 })
  const destination = pino.destination({ dest: join(home, 'log', 'stack.log'), sync: true })
  const log = createLogger('stack', { level: 'info', destination })
  const interrupted = new Promise<void>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => resolve())
  })
  const stack = await startStack({
    home,
    log,
    onStep: (step) => console.log(`… ${step}`),
    svidTtlS: number('BITKA_SVID_TTL_S'),
    rateLimitScale: number('BITKA_RATE_LIMIT_SCALE'),
    logLevel: process.env.BITKA_LOG_LEVEL,
    tracing: { endpoint: process.env.BITKA_OTLP_ENDPOINT, ratio: process.env.BITKA_TRACE_RATIO },
  })
  announce(stack.facts)
  await interrupted
  console.log('stopping …')
  await stack.stop()
}

function number(name: string): number | undefined {
  const text = process.env[name]
  return text === undefined ? undefined : Number(text)
}

/** `up`: the same in the background; comes back when it is ready. */
async function up(home: string): Promise<void> {
  const running = readFacts(home)
  if (running) return announce(running)
  mkdirSync(join(home, 'log'), { recursive: true, mode: 0o711 })
  const outputFile = join(home, 'log', 'run.log')
  const output = openSync(outputFile, 'w', 0o600)
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', 'run'], {
    detached: true,
    stdio: ['ignore', output, output],
  })
  closeSync(output)
  child.unref()
  const deadline = performance.now() + UP_TIMEOUT_MS
  let shown = 0
  for (;;) {
    const said = readFileSync(outputFile, 'utf8')
    process.stdout.write(said.slice(shown))
    shown = said.length
    if (readFacts(home)) return
    if (child.exitCode !== null || child.signalCode !== null) throw new PartError('the stack did not start')
    if (performance.now() > deadline) throw new PartError('the stack is not ready yet; look at its logs')
    await pause(100)
  }
}

/** `down`: ends it in order. */
async function down(home: string): Promise<void> {
  const facts = readFacts(home)
  if (!facts) {
    console.log('no stack runs here')
    return
  }
  process.kill(facts.pid, 'SIGTERM')
  const deadline = performance.now() + DOWN_TIMEOUT_MS
  while (isAlive(facts.pid)) {
    if (performance.now() > deadline) throw new PartError(`the stack (pid ${facts.pid}) does not end`)
    await pause(100)
  }
  console.log('the stack is down; its data is kept')
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function announce(facts: StackFacts): void {
  console.log(`BitKa is ready at ${facts.url} (started in ${(facts.startedMs / 1000).toFixed(1)} s)`)
  console.log(
    `  operators: ${facts.adminUrl}, ${facts.operatorEmail}, password in ${join(facts.home, 'operator-password')}`,
  )
  console.log(`  roots of its certificate: ${facts.caFile} (curl --cacert, NODE_EXTRA_CA_CERTS)`)
  console.log(`  logs: ${join(facts.home, 'log')}`)
}

const home = stackHome()
const commands: Record<string, (home: string) => Promise<void>> = {
  up,
  down,
  run,
  home: async () => console.log(home),
  // The roots of the public certificate, before a stack has ever run.
  ca: async () => {
    const tls = await openPublicTls(home, silentLogger)
    await tls.stop()
  },
  status: async () => {
    const facts = readFacts(home)
    if (facts) announce(facts)
    else console.log('no stack runs here')
  },
}
const command = commands[process.argv[2] ?? '']
if (!command) {
  console.error(USAGE)
  process.exit(2)
}
command(home).then(
  () => process.exit(0),
  (error: unknown) => {
    const text = error instanceof PartError ? error.message : error instanceof Error ? error.stack : String(error)
    process.stderr.write(`${text}\n`)
    process.exit(1)
  },
)
