import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startAudit } from '@bitka/audit'
import { startAuth } from '@bitka/auth'
import { startGateway } from '@bitka/gateway'
import type { Logger } from '@bitka/kernel'
import { startLedger } from '@bitka/ledger'
import { startMarketData } from '@bitka/market-data'
import { startMatching } from '@bitka/matching'
import type { ServiceName } from '@bitka/mesh'
import { startNotification } from '@bitka/notification'
import { startOrder } from '@bitka/order'
import { repositoryFolder, type ServiceEnv } from '@bitka/service'
import { assertFree, freePorts, type SupervisedProcess, Supervisor } from '@bitka/supervisor'
import { startUser } from '@bitka/user'
import type { EmbeddedConfig } from './config.ts'
import { environments, type Ports } from './environment.ts'
import { lockDataDir } from './lock.ts'
import { databaseRoles, type Platform, services, startPlatform } from './platform.ts'
import { loadSecrets } from './secrets.ts'

export type Exchange = {
  /** Where the public API is. */
  url: string
  platform: Platform
  /** Where each service listens. */
  ports: Ports
  /** Only at the first start, and only when none was given. Kept until `operatorShown` says that somebody has seen it. */
  newOperatorPassword: string | undefined
  operatorShown(): void
  /** With one process a service: those processes. */
  processes(): SupervisedProcess[]
  /** Stops everything that was started, the public side first. */
  stop(): Promise<void>
}

type Part = { name: ServiceName; stop(): Promise<void> }

const starters = {
  auth: startAuth,
  user: startUser,
  ledger: startLedger,
  matching: startMatching,
  order: startOrder,
  'market-data': startMarketData,
  notification: startNotification,
  audit: startAudit,
} as const

const READY_TIMEOUT_MS = 120_000

/** Starts the whole exchange on the embedded platform, or brings back the one of the data directory. */
export async function startExchange(config: EmbeddedConfig, logFor: (name: string) => Logger): Promise<Exchange> {
  const log = logFor('embedded')
  const { dataDir } = config
  mkdirSync(dataDir, { recursive: true, mode: 0o711 })
  const unlock = lockDataDir(dataDir)
  const stops: (() => Promise<void>)[] = [async () => unlock()]
  const stop = async (): Promise<void> => {
    for (const step of stops.splice(0).reverse()) await step()
  }
  try {
    if (config.BITKA_HTTP_PORT !== 0) await assertFree(config.BITKA_HTTP_HOST, config.BITKA_HTTP_PORT)
    const secrets = loadSecrets(dataDir, databaseRoles)
    const operator = operatorPassword(config)
    const platform = await startPlatform(config, secrets, log)
    stops.push(() => platform.stop())
    const [gatewayPort, ...backendPorts] = await freePorts(services.length + 1)
    const ports = Object.fromEntries(services.map((name, index) => [name, backendPorts[index]])) as Ports
    const settings = config.BITKA_HTTP_PORT === 0 ? { ...config, BITKA_HTTP_PORT: gatewayPort ?? 0 } : config
    const env = environments(settings, platform, secrets, ports, operator.password)
    const withOwn = Object.fromEntries(
      Object.entries(env).map(([name, own]) => [name, { ...config.serviceVariables, ...own }]),
    ) as Record<ServiceName, ServiceEnv>
    let processes: () => SupervisedProcess[] = () => []
    if (config.BITKA_PROCESSES === 'each') {
      const supervisor = new Supervisor(dataDir, log)
      for (const name of [...services, 'gateway'] as const) {
        supervisor.run({
          name,
          command: process.execPath,
          args: ['--tls-min-v1.3', '--enable-source-maps', join(repositoryFolder('dist'), `${name}.mjs`)],
          env: { BITKA_CRASH_POINT_FILE: process.env.BITKA_CRASH_POINT_FILE, ...withOwn[name] },
        })
        stops.push(async () => {
          await supervisor.stop(name)
        })
      }
      processes = () => supervisor.processes()
    } else {
      for (const part of await startInProcess(withOwn, logFor)) stops.push(() => part.stop())
    }
    const url = `http://${settings.BITKA_HTTP_HOST}:${settings.BITKA_HTTP_PORT}`
    await untilReady(url)
    return {
      url,
      platform,
      ports,
      newOperatorPassword: operator.generated,
      operatorShown: operator.shown,
      processes,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Services first, side by side since each waits for what it needs; the gateway when they are there. */
async function startInProcess(env: Record<ServiceName, ServiceEnv>, logFor: (name: string) => Logger): Promise<Part[]> {
  const results = await Promise.allSettled(services.map((name) => starters[name](env[name], { log: logFor(name) })))
  const started: Part[] = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  try {
    for (const result of results) if (result.status === 'rejected') throw result.reason
    const gateway = await startGateway(env.gateway, { log: logFor('gateway') })
    started.push({ name: 'gateway', stop: () => gateway.stop() })
    return started
  } catch (error) {
    for (const part of started.reverse()) await part.stop()
    throw error
  }
}

/** A random password is made at the first start and kept until it has been shown, so that a crash cannot lose it. */
function operatorPassword(config: EmbeddedConfig): {
  password: string | undefined
  generated: string | undefined
  shown(): void
} {
  const marker = join(config.dataDir, 'operator-shown')
  const pending = join(config.dataDir, 'operator-password')
  const shown = (): void => {
    writeFileSync(marker, '', { mode: 0o600 })
    rmSync(pending, { force: true })
  }
  if (config.BITKA_OPERATOR_PASSWORD !== undefined) {
    return { password: config.BITKA_OPERATOR_PASSWORD, generated: undefined, shown }
  }
  if (existsSync(marker)) return { password: undefined, generated: undefined, shown }
  if (!existsSync(pending)) writeFileSync(pending, randomBytes(15).toString('base64url'), { mode: 0o600 })
  const generated = readFileSync(pending, 'utf8')
  return { password: generated, generated, shown }
}

async function untilReady(url: string): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  let answer = 'no answer'
  while (performance.now() < deadline) {
    try {
      const response = await fetch(`${url}/readyz`)
      if (response.ok) return
      answer = await response.text()
    } catch (error) {
      answer = String(error)
    }
    await pause(50)
  }
  throw new Error(`the exchange did not become ready: ${answer}`)
}
