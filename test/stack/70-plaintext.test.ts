import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { readFacts } from '@bitka/deploy/native'
import { serviceTable } from '@bitka/deploy/table'
import { issueForeignSvid, svidFiles } from '@bitka/dev-ca'
import { waitFor } from '@bitka/testkit'
import { startCapture } from './capture/capture.ts'
import { type Listener, listenersOf } from './capture/listeners.ts'
import { encrypted, greetings, type Outcome, plaintext, postgresTls } from './capture/probes.ts'
import { type Speech, Streams } from './capture/streams.ts'
import { StackWorld, symbol } from './world.ts'

/** What a port must do. One with a `caller` asks for a certificate, and takes at least that workload's. */
type Rule = { speech: Speech; greeting: Buffer; caller?: string }

const mtls = (greeting: Buffer, caller = 'internal-caller'): Rule => ({ speech: 'tls', greeting, caller })
const tls = (greeting: Buffer): Rule => ({ speech: 'tls', greeting })
const plain: Rule = { speech: 'plain', greeting: greetings.http }

const services = serviceTable.filter(({ name }) => name !== 'gateway')
const gateway = serviceTable.find(({ name }) => name === 'gateway') ?? { port: 0, metricsPort: 0 }
const POSTGRES = 7432
const REDIRECT = 8480
const ENVOY_ADMIN = 8901

/** Every port of the stack, whose it is, and what may be said on it. Whatever else is listened on fails the test. */
const rules = new Map<string, Rule>([
  ...services.map(({ name, port }): [string, Rule] => [`${name} ${port}`, mtls(greetings.http2)]),
  [`gateway ${gateway.port}`, mtls(greetings.http, 'envoy')],
  [`gateway ${gateway.port + 1}`, mtls(greetings.http2, 'envoy')],
  ['kafka 9093', mtls(greetings.kafka)],
  ['kafka 9094', mtls(greetings.kafka)],
  [`postgres ${POSTGRES}`, { speech: 'postgres', greeting: greetings.postgres }],
  ['envoy 8443', tls(greetings.http)],
  ['envoy 8445', tls(greetings.http)],
  ['envoy 8444', mtls(greetings.http2)],
  // The exceptions, all on loopback. Figures only: what is asked of them by Prometheus.
  ...serviceTable.map(({ name, metricsPort }): [string, Rule] => [`${name} ${metricsPort}`, plain]),
  ['envoy 9190', plain],
  // Envoy's own switches and figures: no keys, no requests.
  [`envoy ${ENVOY_ADMIN}`, plain],
  // Sends people who typed http:// to https://, and says nothing else.
  [`envoy ${REDIRECT}`, plain],
])
/** The stack's keeper is the mail provider too; its port is a free one. */
const MAIL = 'the stack'

const portOf = (key: string): number => Number(key.split(' ').at(-1))
const secured = [...rules].filter(([, { speech }]) => speech !== 'plain')
const rulesOfGateway = secured.filter(([key]) => key.startsWith('gateway '))
const open = [...rules].filter(([, { speech }]) => speech === 'plain')

let world: StackWorld
let listeners: Listener[]
let mailPort: number

beforeAll(async () => {
  world = new StackWorld(Number(process.env.BITKA_SEED ?? 70))
  await world.ready()
  const processes = (await world.stack.controls.processes()).flatMap(({ name, pid }) => (pid ? [{ name, pid }] : []))
  listeners = listenersOf([...processes, { name: MAIL, pid: readFacts(world.stack.home)?.pid ?? 0 }])
  mailPort = listeners.find(({ process }) => process === MAIL)?.port ?? 0
}, 300_000)

/** The certificate that a workload of the mesh has now: both files of one generation, although they change meanwhile. */
function certificateOf(name: string): { cert: string; key: string } {
  const { keystoreFile } = svidFiles(join(world.stack.identityDir, 'files', name))
  const keystore = readFileSync(keystoreFile, 'utf8')
  return { cert: keystore, key: keystore }
}

/** Nothing but an alert of TLS, or PostgreSQL's refusal, and the end. */
function expectRefused({ said, ended }: Outcome): void {
  expect(ended).toBe(true)
  const alert = said[0] === 21 && said[1] === 3
  const refusal = /^E.*no pg_hba\.conf entry.*no encryption/s.test(said.toString('latin1'))
  expect(said.length === 0 || alert || refusal ? 'refused' : said.toString('latin1')).toBe('refused')
}

test('nothing listens but what is known, and on loopback only', () => {
  const found = listeners.filter(({ process }) => process !== MAIL)
  expect(found.map(({ process, port }) => `${process} ${port}`).sort()).toEqual([...rules.keys()].sort())
  expect(listeners.filter(({ process }) => process === MAIL)).toHaveLength(1)
  expect([...new Set(listeners.map(({ address }) => address))]).toEqual(['127.0.0.1'])
})

test.each(secured)('%s refuses plaintext', async (key, { greeting }) => {
  expectRefused(await plaintext(portOf(key), greeting))
})

test.each(secured.filter(([, { speech }]) => speech === 'tls'))('%s refuses TLS 1.2', async (key, { greeting }) => {
  const old = await encrypted(portOf(key), greeting, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })
  expect(old).toMatchObject({ protocol: null, ended: true })
  expect(old.said.length).toBe(0)
})

test.each(secured.filter(([, { caller }]) => caller !== undefined))(
  '%s refuses who has no certificate of the mesh, and takes who has',
  async (key, { greeting, caller = '' }) => {
    const port = portOf(key)
    const foreign = await issueForeignSvid(world.stack.trustDomain, [
      `spiffe://${world.stack.trustDomain}/ns/bitka/sa/order`,
    ])
    const strangers = [{}, { cert: foreign.certificatePem, key: foreign.privateKeyPem }]
    for (const certificate of strangers) {
      const refused = await encrypted(port, greeting, certificate)
      expect(refused).toMatchObject({ ended: true })
      expect(refused.said.length).toBe(0)
    }
    const taken = await encrypted(port, greeting, {
      ...certificateOf(caller),
      until: ({ length }) => length > 0,
      forMs: 700,
      ALPNProtocols: ['h2', 'http/1.1'],
    })
    expect(taken.protocol).toBe('TLSv1.3')
    // It answers, or waits for more.
    expect(taken.said.length > 0 || !taken.ended ? 'taken' : taken.error).toBe('taken')
  },
)

test.each(rulesOfGateway)('%s takes Envoy alone', async (key, { greeting }) => {
  const other = await encrypted(portOf(key), greeting, certificateOf('internal-caller'))
  expect(other).toMatchObject({ ended: true })
  expect(other.said.length).toBe(0)
})

test('the mail provider speaks TLS 1.3 alone', async () => {
  expectRefused(await plaintext(mailPort, greetings.http))
  const old = await encrypted(mailPort, greetings.http, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })
  expect(old).toMatchObject({ protocol: null, ended: true })
  expect(await encrypted(mailPort, greetings.http, { forMs: 0 })).toMatchObject({ protocol: 'TLSv1.3' })
})

test('PostgreSQL speaks TLS 1.3 alone', async () => {
  const { answer, socket } = await postgresTls(POSTGRES)
  expect(answer).toBe('S')
  const now = await encrypted(POSTGRES, greetings.postgres, { socket, until: ({ length }) => length > 0 })
  expect(now.protocol).toBe('TLSv1.3')
  // 'R': it goes on to ask who we are.
  expect(now.said.subarray(0, 1).toString()).toBe('R')
  const again = await postgresTls(POSTGRES)
  const old = await encrypted(POSTGRES, greetings.postgres, {
    socket: again.socket,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
  })
  expect(old).toMatchObject({ protocol: null, ended: true })
})

test('the port for http:// only says where to go', async () => {
  const { said } = await plaintext(REDIRECT, greetings.http, { until: (heard) => heard.includes('\r\n\r\n') })
  expect(said.toString()).toMatch(/^HTTP\/1\.1 (301|308) .*location: https:\/\//is)
  expect(said.toString().split('\r\n\r\n')[1]).toBe('')
})

/** Somebody whose secrets are known before anything is said. */
class Person {
  readonly username = `seen-${randomUUID().slice(0, 13)}`
  readonly email = `${this.username}@example.com`
  readonly password = `pass-${randomUUID()}`
  readonly key = randomUUID()
  readonly clientOrderId = `mine-${randomUUID().slice(0, 13)}`
  token = ''
  refreshToken = ''
  orderId = ''

  /** Also where everybody has just been started anew, and the first calls may find nobody. */
  register = (): Promise<unknown> =>
    waitFor(async () => {
      const body = { username: this.username, email: this.email, password: this.password }
      // Nobody else takes such a name: an attempt without an answer had come to its end after all.
      const taken = (error: Error): unknown => /: 409 /.test(error.message) || Promise.reject(error)
      return (await ask('POST', '/v1/auth/register', body).catch(taken)) !== undefined
    })

  async signIn(): Promise<void> {
    const credentials = { identifier: this.username, password: this.password }
    const session = await ask('POST', '/v1/auth/login', credentials)
    this.token = String(session.access_token)
    this.refreshToken = String(session.refresh_token)
  }

  async placeOrder(fields: object, key: string): Promise<void> {
    const order = { symbol, side: 'buy', type: 'limit', price: '900000', quantity: '0.0001', ...fields }
    this.orderId = String((await ask('POST', '/v1/orders', order, { token: this.token, key })).order_id)
  }

  secrets(): [string, string][] {
    const { username, email, password, key, clientOrderId, token, refreshToken, orderId } = this
    const named = { username, email, password, key, clientOrderId, token, refreshToken, orderId }
    return Object.entries(named).filter(([, text]) => text !== '')
  }
}

/** One request, which must be taken. */
async function ask(
  method: string,
  path: string,
  body?: object,
  { token, key, url = world.stack.url }: { token?: string; key?: string; url?: string } = {},
): Promise<Record<string, unknown>> {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(key !== undefined && { 'idempotency-key': key }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(20_000),
  })
  const answer = (await response.json()) as { data?: Record<string, unknown> }
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`)
  return answer.data ?? {}
}

/** One gRPC call through Envoy, whatever its answer. */
async function grpc(path: string): Promise<void> {
  const session = connectHttp2(world.stack.url)
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc+proto',
    te: 'trailers',
  })
  stream.end(Buffer.alloc(5))
  await new Promise((resolve, reject) => {
    session.once('error', reject)
    stream.resume().once('close', resolve).once('error', reject)
  })
  session.close()
}

/** Money for the person's order. */
async function credit(person: Person, operatorToken: string): Promise<void> {
  const { items } = (await ask('GET', '/v1/ledger/accounts?per_page=200', undefined, { token: person.token })) as {
    items: { id: string; asset: string }[]
  }
  const account = items.find(({ asset }) => asset === 'THB')
  const body = { account_id: account?.id, type: 'credit', amount: '10000', asset: 'THB' }
  await ask('POST', '/v1/ledger/transactions', body, { token: operatorToken, key: randomUUID() })
}

/** Somebody who speaks as nobody here may: what finds nothing must find this. */
async function betray(text: string): Promise<{ port: number; speak(): Promise<void>; close(): void }> {
  const server = createServer((socket) => socket.once('data', (heard: Buffer) => socket.end(heard))).listen(
    0,
    '127.0.0.1',
  )
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    speak: async () => {
      const { said } = await plaintext(port, Buffer.from(`user ${text}\n`))
      expect(said.toString()).toContain(text)
    },
    close: () => server.close(),
  }
}

test('nothing that passes between the processes can be read', async () => {
  const [early, late] = [new Person(), new Person()]
  await world.load.setUp()
  const { operatorEmail, operatorPassword, adminUrl } = world.stack
  const session = await ask('POST', '/v1/auth/login', { identifier: operatorEmail, password: operatorPassword })
  const operatorToken = String(session.access_token)
  await early.register()
  await early.signIn()
  await credit(early, operatorToken)
  await early.placeOrder({}, randomUUID())
  const { orderId, token } = early

  const betrayed = 'said-in-the-open'
  const traitor = await betray(betrayed)
  const speeches = new Map([...rules].map(([key, { speech }]): [number, Speech] => [portOf(key), speech]))
  speeches.set(mailPort, 'tls').set(traitor.port, 'tls')
  const texts: [string, string][] = [
    ...early.secrets().map(([name, text]): [string, string] => [`somebody's ${name}`, text]),
    ...late.secrets().map(([name, text]): [string, string] => [`a newcomer's ${name}`, text]),
    ["the operator's token", operatorToken],
    ["the operator's password", operatorPassword],
    ["the database's password", new URL(world.stack.postgres.adminUrl).password],
    ['what was betrayed', betrayed],
  ]
  const streams = new Streams(speeches, new Map(texts.map(([name, text]) => [name, Buffer.from(text)])))
  const capture = await startCapture((packet) => streams.packet(packet))
  if (typeof capture === 'string') {
    traitor.close()
    console.log(
      `NOT DONE: the packet capture, which needs CAP_NET_RAW (${capture}). Every port was tried above instead.`,
    )
    return
  }
  try {
    // Everybody connects anew, so that whole conversations are seen.
    for (const name of ['postgres', 'kafka', ...serviceTable.map((row) => row.name), 'envoy'])
      await waitFor(() => world.stack.kill(name).then(() => true), { what: `${name} to have a process` })
    await waitFor(async () => (await world.readiness()) !== 200, { what: 'the stack to be away' }).catch(() => {})
    await world.ready()

    world.load.start()
    const before = world.load.acknowledged.size
    await waitFor(() => world.load.acknowledged.size > before + 10, { timeoutMs: 120_000, what: 'work again' })
    await late.register()
    await early.placeOrder({ client_order_id: early.clientOrderId }, early.key)
    await ask('GET', `/v1/orders/${orderId}`, undefined, { token })
    await ask('DELETE', `/v1/orders/${orderId}`, undefined, { token })
    await ask('POST', '/v1/auth/refresh', { refresh_token: early.refreshToken })
    for (const { name } of services) {
      const path = `/v1/admin/services/${name}/health`
      await waitFor(() => ask('GET', path, undefined, { token: operatorToken, url: adminUrl }))
    }
    await encrypted(8444, greetings.http2, {
      ...certificateOf('internal-caller'),
      ALPNProtocols: ['h2'],
      forMs: 500,
    })
    await grpc('/grpc.health.v1.Health/Check')
    for (const [key] of open)
      await plaintext(portOf(key), Buffer.from('GET /metrics HTTP/1.0\r\n\r\n'), { forMs: 5_000 })
    await waitFor(() => world.load.acknowledged.size > before + 100, { timeoutMs: 120_000, what: 'work under way' })
    await traitor.speak()
    await waitFor(
      () => {
        for (const port of [...secured.map(([key]) => portOf(key)), mailPort]) {
          const { begun, sent, received } = streams.summary(port)
          if (begun === 0 || sent === 0 || received === 0) throw new Error(`nothing was seen on port ${port}`)
        }
        return true
      },
      { timeoutMs: 120_000, intervalMs: 500, what: 'every port to be used' },
    )
  } finally {
    await world.load.stop()
    traitor.close()
    const { packets, dropped } = await capture.stop()
    console.log(`${packets} packets, ${dropped} dropped`)
    expect(dropped).toBe(0)
  }
  const seen = [...rules].map(([key, { speech }]) => ({ port: key, speech, ...streams.summary(portOf(key)) }))
  console.log(
    seen
      .map(({ port, speech, begun, sent, received, bytes }) =>
        [port, speech, `${begun} connections`, `${sent} + ${received} records`, `${bytes} bytes`].join(', '),
      )
      .join('\n'),
  )
  expect(seen.filter(({ bytes }) => bytes === 0)).toEqual([])
  const unexpected = streams.findings.filter(({ port }) => port !== traitor.port)
  expect(unexpected).toEqual([])
  const found = streams.findings.filter(({ port }) => port === traitor.port).map(({ what }) => what)
  expect(found).toContain('shows what was betrayed')
  expect(found.some((what) => what.includes('is no TLS record'))).toBe(true)
}, 600_000)
