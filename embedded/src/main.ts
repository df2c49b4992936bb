import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError, createLogger } from '@bitka/kernel'
import { pino } from 'pino'
import { type EmbeddedConfig, readConfig } from './config.ts'
import { startExchange } from './exchange.ts'

/** `make up`: the whole exchange in the foreground, until Ctrl-C. */
async function main(): Promise<void> {
  const startedMs = performance.now()
  const config = readConfig(process.env)
  const folder = join(config.dataDir, 'log')
  mkdirSync(folder, { recursive: true, mode: 0o711 })
  const destination = pino.destination({ dest: join(folder, 'exchange.log'), sync: false, mkdir: true })
  const logFor = (name: string) => createLogger(name, { level: config.BITKA_LOG_LEVEL, destination })
  let stopping = false
  const interrupted = new Promise<void>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(name, () => {
        if (stopping) return
        stopping = true
        resolve()
      })
    }
  })
  const exchange = await startExchange(config, logFor)
  announce(config, exchange.url, exchange.newOperatorPassword, performance.now() - startedMs)
  exchange.operatorShown()
  await interrupted
  console.log('Stopping …')
  await exchange.stop()
  destination.flushSync()
}

function announce(config: EmbeddedConfig, url: string, password: string | undefined, tookMs: number): void {
  if (password !== undefined) {
    console.log(`The operator is ${config.BITKA_OPERATOR_EMAIL} with the password ${password}`)
    console.log('It is shown this once and kept nowhere: write it down.')
  }
  if (config.BITKA_PROFILE === 'demo') {
    console.log('Profile demo: one operator may act alone. Not for real money.')
  }
  console.log(`Data and logs are in ${config.dataDir}; started in ${(tookMs / 1000).toFixed(1)} s.`)
  console.log(`BitKa is ready at ${url}`)
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    const text = error instanceof ConfigError || !(error instanceof Error) ? String(error) : error.stack
    process.stderr.write(`${text}\n`)
    process.exit(1)
  },
)
