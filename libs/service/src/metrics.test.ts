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
