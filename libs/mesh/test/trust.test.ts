import { once } from 'node:events'
import { createServer as createPlainServer } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { connect, createServer as createTlsServer } from 'node:tls'
import { issueForeignSvid, type Svid } from '@bitka/dev-ca'
import { createLogger } from '@bitka/kernel'
import { waitFor } from '@bitka/testkit'
import { type ChannelCredentials, Client, credentials } from '@grpc/grpc-js'
import { Registry } from 'prom-client'
import { grpcDefinition, implement, type MeshServer, type ServicePolicy, spiffeId } from '../src/index.ts'
import type { RefusalReason } from '../src/refusals.ts'
import { EchoService } from './echo.ts'
import { echoImpl, echoPolicy, Harness, refusal } from './harness.ts'

let harness: Harness
let server: MeshServer
let lines: string[]
let metrics: Registry
beforeAll(async () => {
  harness = await Harness.open()
})
// A server for each test: grpc-js may still be trying for a client that is closed, and that is counted somewhere.
beforeEach(async () => {
  lines = []
  metrics = new Registry()
  const log = createLogger('ledger', { destination: { write: (line) => lines.push(line) } })
  server = await harness.serve({ log, metrics })
})
afterAll(() => harness.close())

const order = spiffeId('bitka.local', 'order')

/** Calls Echo with hand-made credentials; answers the error, or undefined when the call was answered. */
function callWith(channel: ChannelCredentials): Promise<{ code: number; details: string } | undefined> {
  const client = new Client(`localhost:${server.port}`, channel)
  const { path, requestSerialize, responseDeserialize } = grpcDefinition(EchoService).echo!
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      {},
      { deadline: Date.now() + 30_000 },
      (error) => {
        client.close()
        resolve(error ?? undefined)
      },
    )
  })
}

/** How many were refused, by reason. */
async function refusals(): Promise<Partial<Record<RefusalReason, number>>> {
  const { values } = (await metrics.getSingleMetric('bitka_mesh_refused_total')?.get()) ?? { values: [] }
  return Object.fromEntries(values.filter(({ value }) => value > 0).map(({ labels, value }) => [labels.reason, value]))
}

/** Runs something after which exactly one more is counted, for this reason and no other. */
async function counted<T>(reason: RefusalReason, run: () => Promise<T>): Promise<T> {
  const before = await refusals()
  const answer = await run()
  // A handshake that failed may end at the client before the server has counted it.
  await waitFor(async () => (await refusals())[reason] !== before[reason], { what: `a refusal for ${reason}` })
  const { [reason]: _old, ...others } = before
  const { [reason]: count = 0, ...othersNow } = await refusals()
  // grpc-js tries again to connect while the call has time.
  expect(count).toBeGreaterThan(before[reason] ?? 0)
  expect(othersNow).toEqual(others)
  return answer
}

/** TLS as grpc-js makes it, trusting whom the test wants and any name. */
const tls = ({ certificatePem, privateKeyPem }: Svid, bundlePem: string): ChannelCredentials =>
  credentials.createSsl(Buffer.from(bundlePem), Buffer.from(privateKeyPem), Buffer.from(certificatePem), {
    checkServerIdentity: () => undefined,
  })

describe('a server answers', () => {
  it('a listed caller', async () => {
    const svid = await harness.ca.issue({ uris: [order] })
    expect(await callWith(tls(svid, svid.bundlePem))).toBeUndefined()
  })

  it.each([
    // the certificate's names                                  why it is refused
    [[spiffeId('other.test', 'order')], 'another trust domain', 'foreign_trust_domain'],
    [[order, spiffeId('bitka.local', 'gateway')], 'two names', 'uri_names'],
    [[], 'no name', 'uri_names'],
    [['https://bitka.local/ns/bitka/sa/order'], 'no SPIFFE ID', 'not_spiffe'],
    [['spiffe://bitka.local/ns/bitka/sa/stranger'], 'no service of ours', 'not_permitted'],
    [['spiffe://bitka.local/ns/other/sa/order'], 'another namespace', 'not_permitted'],
    [['spiffe://bitka.local/x, URI:spiffe://bitka.local/ns/bitka/sa/order'], 'a name within a name', 'not_spiffe'],
    [[spiffeId('bitka.local', 'audit')], 'not in the policy', 'not_permitted'],
  ] as const)('nobody with %j: %s', async (uris, _why, reason) => {
    const svid = await harness.ca.issue({ uris })
    const answer = await counted(reason, () => callWith(tls(svid, svid.bundlePem)))
    expect(answer).toMatchObject({ code: 7 })
  })

  it('nobody whose certificate has expired', async () => {
    const svid = await harness.ca.issue({
      uris: [order],
      notBeforeMs: Date.now() - 60_000,
      notAfterMs: Date.now() - 5_000,
    })
    const answer = await counted('expired', () => callWith(tls(svid, svid.bundlePem)))
    expect(answer).toMatchObject({ code: 14 })
  })

  it('nobody whose certificate is not yet valid', async () => {
    const svid = await harness.ca.issue({
      uris: [order],
      notBeforeMs: Date.now() + 600_000,
      notAfterMs: Date.now() + 900_000,
    })
    const answer = await counted('not_yet_valid', () => callWith(tls(svid, svid.bundlePem)))
    expect(answer).toMatchObject({ code: 14 })
  })

  it('nobody from another CA, whatever the name', async () => {
    const { bundlePem } = await harness.ca.issue({})
    const foreign = await issueForeignSvid('bitka.local', [order])
    const answer = await counted('unknown_authority', () => callWith(tls(foreign, bundlePem)))
    expect(answer).toMatchObject({ code: 14 })
  })

  it('nobody without a certificate', async () => {
    const { bundlePem } = await harness.ca.issue({})
    const bare = credentials.createSsl(Buffer.from(bundlePem), null, null, { checkServerIdentity: () => undefined })
    expect(await counted('no_certificate', () => callWith(bare))).toMatchObject({ code: 14 })
  })

  it('nobody in plain text', async () => {
    const answer = await counted('plaintext', () => callWith(credentials.createInsecure()))
    expect(answer).toMatchObject({ code: 14 })
  })

  it('nobody over TLS 1.2, whatever flags the process has', async () => {
    const svid = await harness.ca.issue({ uris: [order] })
    const tls12 = () =>
      new Promise<Error>((resolve, reject) => {
        const socket = connect(
          {
            port: server.port,
            host: 'localhost',
            ca: svid.bundlePem,
            cert: svid.certificatePem,
            key: svid.privateKeyPem,
            minVersion: 'TLSv1.2',
            maxVersion: 'TLSv1.2',
            checkServerIdentity: () => undefined,
          },
          () => reject(new Error('TLS 1.2 was accepted')),
        )
        socket.once('error', resolve)
      })
    const failed = await counted('tls_version', tls12)
    expect(failed.message).toContain('alert protocol version')
  })

  it('nobody who talks HTTP/1 or rubbish', async () => {
    for (const text of ['GET / HTTP/1.1\r\n\r\n', '\u0000'.repeat(64)]) {
      const closed = async () =>
        new Promise<void>((resolve) => {
          const socket = connectTcp({ port: server.port, host: 'localhost' }, () => socket.write(text))
          socket.once('close', () => resolve()).on('error', () => {})
          socket.resume()
        })
      await counted('plaintext', closed)
    }
  })

  it('and does not count who only knocks', async () => {
    const before = await refusals()
    await new Promise<void>((resolve) => {
      const socket = connectTcp({ port: server.port, host: 'localhost' }, () => socket.destroy())
      socket.once('close', () => resolve())
    })
    const svid = await harness.ca.issue({ uris: [order] })
    expect(await callWith(tls(svid, svid.bundlePem))).toBeUndefined()
    expect(await refusals()).toEqual(before)
  })

  it('and says in its log whom it refused', async () => {
    for (const uris of [['spiffe://bitka.local/ns/bitka/sa/stranger'], []]) {
      const svid = await harness.ca.issue({ uris })
      expect(await callWith(tls(svid, svid.bundlePem))).toMatchObject({ code: 7 })
    }
    const refused = ['refused a peer by its certificate', '/sa/stranger","outcome":"forbidden"']
    await waitFor(() => refused.every((words) => lines.join('').includes(words)))
  })
})

describe('a client refuses', () => {
  it('a server with another name', async () => {
    const asOrder = harness.client(server, 'order', { expect: 'audit' })
    expect(await refusal(asOrder.echo({}, { deadlineMs: 500 }))).toMatchObject({ kind: 'unavailable' })
  })

  it('a server that speaks plain text', async () => {
    const plain = createPlainServer().listen(0, '127.0.0.1')
    await once(plain, 'listening')
    const address = plain.address()
    const port = typeof address === 'object' && address ? address.port : 0
    expect(await refusal(harness.client({ port }, 'order').echo({}, { deadlineMs: 500 }))).toMatchObject({
      kind: 'unavailable',
    })
    plain.close()
  })

  it('a server of TLS 1.2', async () => {
    const { certificatePem, privateKeyPem, bundlePem } = await harness.ca.issue({
      uris: [spiffeId('bitka.local', 'ledger')],
    })
    const old = createTlsServer({
      cert: certificatePem,
      key: privateKeyPem,
      ca: bundlePem,
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
      ALPNProtocols: ['h2'],
    }).listen(0, '127.0.0.1')
    old.on('tlsClientError', () => {})
    await once(old, 'listening')
    const address = old.address()
    const port = typeof address === 'object' && address ? address.port : 0
    expect(await refusal(harness.client({ port }, 'order').echo({}, { deadlineMs: 500 }))).toMatchObject({
      kind: 'unavailable',
    })
    old.close()
  })
})

describe('the policy', () => {
  const callers = ['gateway', 'order', 'audit'] as const
  const methods = ['echo', 'whoAmI', 'signIn', 'look', 'operate'] as const
  // Who gets past the policy of each method. An operator's token is sent along, which helps nobody but the gateway.
  const allowed = {
    echo: ['order', 'gateway'],
    whoAmI: ['gateway'],
    signIn: ['gateway'],
    look: ['gateway'],
    operate: ['gateway'],
  }

  it.each(callers.flatMap((caller) => methods.map((method) => [caller, method] as const)))(
    '%s to %s',
    async (caller, method) => {
      const operator = {
        userId: 'o',
        sessionId: 's',
        roles: ['operator' as const],
        expiresAtMs: Number.POSITIVE_INFINITY,
      }
      const guarded = await harness.serve({ verifyToken: async () => operator })
      const call = harness.client(guarded, caller)[method]({}, { token: 't' })
      if (allowed[method].includes(caller)) await call
      else expect(await refusal(call)).toMatchObject({ kind: 'forbidden' })
      await guarded.drain(0)
    },
  )

  it('must name every method', () => {
    const { echo: _left, ...rest } = echoPolicy
    // @ts-expect-error a policy that lacks a method does not compile, and does not start either
    expect(() => implement(EchoService, echoImpl, rest)).toThrow('echo has no policy')
  })

  it('must name no other', () => {
    const more: ServicePolicy<typeof EchoService> = { ...echoPolicy, ...{ extra: { kind: 'anonymous' } } }
    expect(() => implement(EchoService, echoImpl, more)).toThrow('for no method')
  })

  it('needs a token check where there are users', async () => {
    await expect(harness.serve({ verifyToken: undefined })).rejects.toThrow('verifyToken')
  })
})
