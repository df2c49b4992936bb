import { Registry } from 'prom-client'
import { serveMetrics } from './metrics.ts'
import type { Health } from './types.ts'

it('tells probes apart: living, ready, and what is missing', async () => {
  let health: Health = { ready: true, dependencies: [{ name: 'database', ok: true, detail: '' }] }
  const endpoint = await serveMetrics(new Registry(), '127.0.0.1', 0, async () => health)
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${endpoint.port}${path}`)
    return [response.status, await response.text()]
  }
  try {
    expect(await get('/readyz')).toEqual([200, 'ok'])
    health = { ready: false, dependencies: [{ name: 'database', ok: false, detail: 'secret words' }] }
    expect(await get('/readyz')).toEqual([503, 'database'])
    expect(await get('/livez')).toEqual([200, 'ok'])
    expect((await get('/metrics'))[0]).toBe(200)
    expect((await get('/toString'))[0]).toBe(404)
  } finally {
    await endpoint.stop()
  }
})

it('shows readiness, what is missing and when the process began as metrics', async () => {
  let health: Health = { ready: false, dependencies: [{ name: 'database', ok: false, detail: '' }] }
  const endpoint = await serveMetrics(new Registry(), '127.0.0.1', 0, async () => health)
  const scrape = async () => await (await fetch(`http://127.0.0.1:${endpoint.port}/metrics`)).text()
  try {
    const first = await scrape()
    expect(first).toMatch(/^bitka_ready 0$/m)
    expect(first).toMatch(/^bitka_dependency_ok\{dependency="database"\} 0$/m)
    expect(first).toMatch(/^process_start_time_seconds \d+$/m)
    health = { ready: true, dependencies: [{ name: 'event log', ok: true, detail: '' }] }
    const second = await scrape()
    expect(second).toMatch(/^bitka_ready 1$/m)
    expect(second).toMatch(/^bitka_dependency_ok\{dependency="event log"\} 1$/m)
    expect(second).not.toContain('dependency="database"')
  } finally {
    await endpoint.stop()
  }
})
