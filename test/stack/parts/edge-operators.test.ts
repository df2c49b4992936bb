import { operatorRpcPaths, startTestEdge, type TestEdge } from '@bitka/deploy/envoy'
import { ask, askH2, envoyBinary } from '../edge/http.ts'

const OPERATOR = '127.0.0.3'
const STRANGER = '127.0.0.4'

/** Without operators on the public listener, as in production; and with, as in a demo. */
let edge: TestEdge
let demo: TestEdge
let reached: string[]
beforeAll(async () => {
  const binary = await envoyBinary()
  const operatorNetworks = [`${OPERATOR}/32`]
  edge = await startTestEdge({ binary, options: { operatorNetworks } })
  demo = await startTestEdge({ binary, options: { operatorNetworks, operatorsOnPublic: true } })
  for (const { upstream } of [edge, demo]) {
    upstream.http = (req, res) => {
      reached.push(req.url ?? '')
      req.resume()
      res.end('{}')
    }
    upstream.grpc = (stream, headers) => {
      reached.push(String(headers[':path']))
      stream.respond({ ':status': 200, 'grpc-status': '0', 'content-type': 'application/grpc' }, { endStream: true })
    }
  }
}, 120_000)
beforeEach(() => {
  reached = []
})
afterAll(() => Promise.all([edge?.stop(), demo?.stop()]))

const rest = ['/v1/admin/users', '/v1/admin/markets/BTC-THB/halt?x=1', '/v1/admin', '/v1/admin/']
/** What a lenient reader might take for the same. */
const spellings = [
  '/V1/Admin/users',
  '//v1/admin/users',
  '/v1//admin/users',
  '/v1/%61dmin/users',
  '/v1/%41DMIN/users',
  '/%76%31/admin/users',
  '/v1/./admin/users',
  '/v1%2fadmin/users',
  '/v1/admin%2fusers',
  '/v1/admin;x/users',
  '/v1\\admin\\users',
  '/./v1/admin/users',
]
const people = [
  '/v1/auth/login',
  '/v1/auth/register',
  '/v1/ledger/assets',
  '/v1/administrators',
  '/v1/orders',
  '/.well-known/jwks.json',
]
const rpcs = operatorRpcPaths()

describe("operators' addresses", () => {
  it('are those whose REST path says so, and there are some in every dialect', () => {
    expect(rpcs.length).toBeGreaterThan(10)
    expect(rpcs).toContain('/bitka.order.v1.OrderService/HaltMarket')
    expect(rpcs).not.toContain('/bitka.order.v1.OrderService/CreateOrder')
  })
  it.each([...rest, ...spellings])('%s is on the public listener for nobody', async (path) => {
    for (const from of [OPERATOR, STRANGER]) expect((await ask(edge, path, { from })).status).toBe(403)
    expect((await askH2(edge, path)).status).toBe(403)
    expect(reached).toEqual([])
  })
  it.each(rest)('%s is on the admin listener for operators, and for nobody else', async (path) => {
    const { admin: port } = edge.ports
    expect((await ask(edge, path, { port, from: OPERATOR })).status).toBe(200)
    expect((await ask(edge, path, { port, from: STRANGER })).status).toBe(403)
    expect(reached).toEqual([path])
  })
  it('are not opened by what a stranger says of his address', async () => {
    const { admin: port } = edge.ports
    const headers = { 'x-forwarded-for': OPERATOR, 'x-real-ip': OPERATOR, 'x-envoy-external-address': OPERATOR }
    expect((await ask(edge, '/v1/admin/users', { port, from: STRANGER, headers })).status).toBe(403)
    expect((await ask(edge, '/v1/time', { headers: { 'x-envoy-original-path': '/v1/admin/users' } })).status).toBe(200)
    expect(reached).toEqual(['/v1/time'])
  })
  it('leave everybody else what is theirs', async () => {
    for (const path of people) expect((await ask(edge, path, { from: STRANGER })).status).toBe(200)
    expect(reached).toEqual(people)
  })
  it('may be on the public listener of a demo, for operators', async () => {
    expect((await ask(demo, '/v1/admin/users', { from: OPERATOR })).status).toBe(200)
    expect((await ask(demo, '/v1/admin/users', { from: STRANGER })).status).toBe(403)
  })
})

describe("operators' methods", () => {
  const call = async (target: TestEdge, path: string, port: number, from: string, type: string) =>
    await ask(target, path, { port, from, method: 'POST', headers: { 'content-type': type }, body: '{}' })
  const dialects = ['application/json', 'application/proto', 'application/grpc-web+proto']

  it('are on the public listener for nobody, whichever dialect', async () => {
    for (const path of rpcs) {
      for (const type of dialects) expect((await call(edge, path, edge.ports.public, OPERATOR, type)).status).toBe(403)
      const headers = { 'content-type': 'application/grpc', te: 'trailers' }
      const reply = await askH2(edge, path, { method: 'POST', headers, body: Buffer.alloc(5) })
      expect({ path, grpc: reply.headers['grpc-status'] }).toEqual({ path, grpc: '7' })
    }
    expect(reached).toEqual([])
  })
  it('are on the admin listener for operators, and for nobody else', async () => {
    const [path = ''] = rpcs
    for (const type of dialects) {
      expect((await call(edge, path, edge.ports.admin, OPERATOR, type)).status).toBe(200)
      expect((await call(edge, path, edge.ports.admin, STRANGER, type)).status).toBe(403)
    }
    expect(reached).toEqual(dialects.map(() => path))
  })
  it('of people are on the public listener', async () => {
    const path = '/bitka.order.v1.OrderService/CreateOrder'
    for (const type of dialects) expect((await call(edge, path, edge.ports.public, STRANGER, type)).status).toBe(200)
  })
})
