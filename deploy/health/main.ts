/** How long a program may take to say how it is. */
const TIMEOUT_MS = 4_000

/**
 * The health check of an image without a shell: ends with 0 when the program in this container is ready to work. It starts
 * every few seconds in every container, so it imports nothing.
 */
async function main(): Promise<void> {
  const { BITKA_METRICS_PORT: port } = process.env
  if (!/^\d+$/.test(port ?? '')) throw new Error('BITKA_METRICS_PORT: must be the metrics port of this container')
  const response = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
  if (!response.ok) throw new Error(`not ready: ${await response.text()}`)
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
})
