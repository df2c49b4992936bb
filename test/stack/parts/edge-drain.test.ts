import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectH2 } from 'node:http2'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startTestEdge, type TestEdge } from '@bitka/deploy/envoy'
import { waitFor } from '@bitka/testkit'
import { ask, envoyBinary, talk } from '../edge/http.ts'

const script = fileURLToPath(new URL('../../../deploy/envoy/drain.sh', import.meta.url))

let edge: TestEdge
/** Ends the requests that are under way. */
let release: () => void
let underWay: number
beforeEach(async () => {
  edge = await startTestEdge({ binary: await envoyBinary() })
  underWay = 0
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  edge.upstream.http = async (req, res) => {
    req.resume()
    if (req.url === '/v1/slow') {
      underWay += 1
      await released
    }
    res.end('{}')
  }
}, 120_000)
afterEach(() => edge?.stop())

const drain = (limitS: number): Promise<{ stderr: string }> =>
  promisify(execFile)('bash', [script], {
    timeout: 60_000,
    env: {
      PATH: process.env.PATH,
      BITKA_EDGE_ADMIN_PORT: String(edge.ports.envoyAdmin),
      BITKA_EDGE_LAME_DUCK_S: '0',
      BITKA_EDGE_DRAIN_S: String(limitS),
    },
  })
const probe = async (path: string): Promise<number> =>
  (await fetch(`http://127.0.0.1:${edge.ports.metrics}${path}`)).status

describe('before Envoy stops', () => {
  it('what is under way ends, and nobody is cut off', async () => {
    expect(await probe('/readyz')).toBe(200)
    const slow = [ask(edge, '/v1/slow'), ask(edge, '/v1/slow')]
    const session = connectH2(edge.url, { ca: edge.roots })
    const goAway = once(session, 'goaway')
    const stream = session.request({ ':path': '/v1/slow' })
    // Listened for from the start: the four answers come in any order.
    const answered = once(stream, 'response')
    const kept = await talk(edge)
    kept.socket.write('GET /v1/slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await waitFor(() => underWay === 4, { what: 'the requests under way' })
    let drained = false
    const draining = drain(30).then((said) => {
      drained = true
      return said
    })
    await waitFor(async () => (await probe('/readyz')) === 503, { what: 'readiness to go' })
    expect(await probe('/livez')).toBe(200)
    // Load balancers have not all noticed yet.
    expect((await ask(edge, '/v1/time')).status).toBe(200)
    expect(drained).toBe(false)
    release()
    for (const { status, headers } of await Promise.all(slow))
      expect({ status, connection: headers.connection }).toEqual({ status: 200, connection: 'close' })
    const [head] = await answered
    expect(head[':status']).toBe(200)
    stream.resume()
    await goAway
    await kept.ended
    expect(kept.said()).toMatch(/^HTTP\/1\.1 200 .*connection: close/is)
    expect((await draining).stderr).toBe('')
    session.destroy()
  })
  it('nobody waits for ever', async () => {
    const slow = ask(edge, '/v1/slow').catch((error: Error) => error)
    await waitFor(() => underWay === 1)
    expect((await drain(1)).stderr).toContain('still under way')
    release()
    await slow
  })
})
