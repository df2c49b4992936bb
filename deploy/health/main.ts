import { ConfigError, loadConfig } from '@bitka/kernel'
import { port } from '@bitka/service'
import { z } from 'zod'

const TIMEOUT_MS = 4_000

const schema = z.object({
  /** The metrics port of the program beside which this one is started. */
  BITKA_METRICS_PORT: port,
})

/** The health check of an image without a shell: ends with 0 when the program in this container is ready to work. */
async function main(): Promise<void> {
  const { BITKA_METRICS_PORT: metricsPort } = loadConfig(schema, process.env)
  const url = `http://127.0.0.1:${metricsPort}/readyz`
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
  if (!response.ok) throw new Error(`not ready: ${await response.text()}`)
}

main().catch((error: unknown) => {
  const text = error instanceof ConfigError || error instanceof Error ? error.message : String(error)
  process.stderr.write(`${text}\n`)
  process.exit(1)
})
