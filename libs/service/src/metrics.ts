import { createServer } from 'node:http'
import { collectDefaultMetrics, type Registry } from 'prom-client'
import { readinessMetrics } from './readiness-metrics.ts'
import type { Health } from './types.ts'

/**
 * Serves, on a port of its own which no person's traffic reaches: GET /metrics; for the probes of containers GET /livez, which
 * answers as soon as the program has started, and GET /readyz, which answers 503 and names what is missing.
 */
export async function serveMetrics(
  registry: Registry,
  host: string,
  port: number,
  health?: () => Promise<Health>,
): Promise<{ port: number; stop(): Promise<void> }> {
  collectDefaultMetrics({ register: registry })
  if (health) readinessMetrics(registry, health)
  const answers: Record<string, () => Promise<{ status: number; type: string; text: string }>> = {
    '/metrics': async () => ({ status: 200, type: registry.contentType, text: await registry.metrics() }),
    '/livez': async () => ({ status: 200, type: 'text/plain', text: 'ok' }),
    '/readyz': async () => readiness(await health?.()),
  }
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    const answer = request.method === 'GET' && Object.hasOwn(answers, path) ? answers[path] : undefined
    if (answer === undefined) {
      response.writeHead(404).end()
      return
    }
    answer().then(
      ({ status, type, text }) => response.writeHead(status, { 'content-type': type }).end(text),
      () => response.writeHead(500).end(),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function readiness(health: Health | undefined): { status: number; type: string; text: string } {
  const missing = health?.ready === false ? health.dependencies.filter(({ ok }) => !ok) : []
  const names = missing.map(({ name }) => name).join(', ')
  return { status: health?.ready === false ? 503 : 200, type: 'text/plain', text: names || 'ok' }
}
