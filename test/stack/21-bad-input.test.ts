import { chmodSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { connect as connectH2 } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { CALLER, startTestEdge } from '@bitka/deploy/envoy'
import { attachStack } from '@bitka/deploy/native'
import { serviceTable } from '@bitka/deploy/table'
import { issueForeignSvid, issueFrom, type Svid } from '@bitka/dev-ca'
import { waitFor } from '@bitka/testkit'
import { ask as askEdge, envoyBinary, refusal } from './edge/http.ts'
import { LateDoor } from './identity/late-door.ts'
import { LoneService } from './identity/lone-service.ts'
import { metric } from './identity/svid-metrics.ts'

const stack = attachStack()
const undo: (() => unknown)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

describe('a service whose', () => {
  const databasePort = Number(new URL(stack.postgres.adminUrl).port)
  const brokerPort = Number(stack.kafka.brokers.split(':')[1])

  async function lateDoor(): Promise<LateDoor> {
    const door = await LateDoor.reserve()
    undo.push(() => door.close())
    return door
  }

  /** Starts `user` without something; looks at it while it waits; then lets it have it. */
  async function startsWithout(
    what: string,
    change: (env: Record<string, string>) => Record<string, string>,
    appear: () => unknown,
  ): Promise<void> {
    const service = await LoneService.start(stack, 'user', change)
    undo.push(() => service.stop())
    await waitFor(async () => (await service.probe())?.text === what, {
      timeoutMs: 60_000,
      what: `a probe told of ${what}`,
    })
    await waitFor(() => service.waitsFor().includes(what), { what: 'the log to say so' })
    expect(await service.probe()).toEqual({ status: 503, text: what })
    expect(await service.probe('/livez')).toEqual({ status: 200, text: 'ok' })
    // Nothing half: no port is open before everything is there.
    expect(await service.takesCalls()).toBe(false)
    await appear()
    await waitFor(async () => (await service.probe())?.status === 200, { timeoutMs: 120_000, what: 'readiness' })
    expect(await service.takesCalls()).toBe(true)
    expect(await service.stop()).toBe(0)
  }

  it('database is missing waits for it, says so and starts when it is there', async () => {
    const door = await lateDoor()
    const moved = (url: string | undefined): string => {
      const to = new URL(url ?? '')
      to.port = String(door.port)
      return to.href
    }
    await startsWithout(
      'the database',
      (env) => ({ ...env, BITKA_DB_URL: moved(env.BITKA_DB_URL), BITKA_DB_OWNER_URL: moved(env.BITKA_DB_OWNER_URL) }),
      () => door.open(databasePort),
    )
  }, 300_000)

  it('broker is missing waits for it, says so and starts when it is there', async () => {
    const door = await lateDoor()
    await startsWithout(
      'the event log',
      (env) => ({ ...env, BITKA_KAFKA_BROKERS: `localhost:${door.port}` }),
      () => door.open(brokerPort),
    )
  }, 300_000)

  it('identity is missing waits for it, says so and starts when it is there', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bitka-late-'))
    undo.push(() => rmSync(folder, { recursive: true, force: true }))
    // The service has an account of its own where root runs the stack.
    chmodSync(folder, 0o711)
    const socket = join(folder, 'user.sock')
    const real = join(stack.identityDir, 'sockets', 'user.sock')
    await startsWithout(
      'its identity',
      (env) => ({ ...env, SPIFFE_ENDPOINT_SOCKET: socket }),
      () => symlinkSync(real, socket),
    )
  }, 300_000)

  it('identity is somebody else’s does not start as that one', async () => {
    const foreign = await LoneService.start(stack, 'user', (env) => ({ ...env, BITKA_TRUST_DOMAIN: 'other.test' }))
    undo.push(() => foreign.stop())
    await waitFor(() => foreign.waitsFor().includes('its identity'), { timeoutMs: 60_000, what: 'the log to say so' })
    const unusable = foreign.lines.find(({ msg }) => String(msg).includes('unusable identity'))
    expect(JSON.stringify(unusable)).toContain('spiffe://other.test/ns/bitka/sa/user is not in the answer')
    expect(await foreign.takesCalls()).toBe(false)
  }, 120_000)
})

it('Envoy without its certificate lets nobody through, says what is missing, and works once it is there', async () => {
  const edge = await startTestEdge({ binary: await envoyBinary(), identityLater: true })
  undo.push(() => edge.stop())
  const health = async () => {
    try {
      return (await askEdge(edge, '/healthz')).status
    } catch {
      return 0
    }
  }
  const caller = await edge.identity({ uris: [CALLER] })
  const meshTls = { cert: caller.certificatePem, key: caller.privateKeyPem, ca: caller.bundlePem }
  await waitFor(async () => (await health()) === 503, { what: 'Envoy to answer' })
  await waitFor(() => /rejected: Invalid path: .*svid\.pem/.test(edge.output()), {
    what: 'Envoy to say what is missing',
  })
  // Nothing half: no plain connection to the gateway, and no handshake on the mesh listener.
  // Envoy writes its log once a second.
  await waitFor(() => String(edge.accessLog().at(-1)?.detail).includes('Secret_is_not_supplied_by_SDS'))
  expect(await refusal(edge, edge.ports.mesh, meshTls)).not.toMatch(/^HTTP/)
  await edge.giveIdentity()
  await waitFor(async () => (await health()) === 200, { what: 'Envoy with its certificate' })
}, 180_000)

describe('the gRPC port of a service refuses and counts', () => {
  const ledger = serviceTable.find(({ name }) => name === 'ledger')
  if (!ledger) throw new Error('there is no ledger')
  const { port, metricsPort } = ledger
  const order = 'spiffe://bitka.local/ns/bitka/sa/order'
  const issue = (options: Parameters<typeof issueFrom>[2]): Promise<Svid> =>
    issueFrom(stack.identityDir, stack.trustDomain, options)
  const refused = (reason: string): Promise<number> =>
    metric(metricsPort, 'bitka_mesh_refused_total', `reason="${reason}"`)

  /** The gRPC status of a health check with these credentials, or the word for a connection that did not come about. */
  function ask(options: ConnectionOptions): Promise<string> {
    return new Promise((resolve) => {
      const session = connectH2(`https://localhost:${port}`, { checkServerIdentity: () => undefined, ...options })
      const end = (answer: string): void => {
        session.destroy()
        resolve(answer)
      }
      session.once('error', () => end('no connection')).once('close', () => end('no connection'))
      const stream = session.request({
        ':method': 'POST',
        ':path': '/grpc.health.v1.Health/Check',
        'content-type': 'application/grpc',
        te: 'trailers',
      })
      let status = ''
      stream.once('response', (headers) => {
        status = String(headers['grpc-status'] ?? '')
      })
      stream.once('trailers', (trailers) => {
        status = String(trailers['grpc-status'] ?? status)
      })
      stream.once('error', () => end('no connection')).once('close', () => end(status || 'no connection'))
      stream.resume()
      // An empty message: no flags, no bytes.
      stream.end(Buffer.alloc(5))
    })
  }

  const credentialsOf = ({ certificatePem: cert, privateKeyPem: key, bundlePem: ca }: Svid): ConnectionOptions => ({
    cert,
    key,
    ca,
  })

  /** Does something after which one more must be counted, for this reason. */
  async function counted<T>(reason: string, run: () => Promise<T>): Promise<T> {
    const before = await refused(reason)
    expect(before).toBeGreaterThanOrEqual(0)
    const answer = await run()
    await waitFor(async () => (await refused(reason)) > before, { what: `${reason} to be counted` })
    return answer
  }

  const secondsFromNow = (seconds: number): number => Date.now() + seconds * 1_000

  it('nobody with a good certificate', async () => {
    expect(await ask(credentialsOf(await issue({ uris: [order] })))).toBe('0')
  })

  it.each([
    ['no URI name', [], 'uri_names'],
    ['two URI names', [order, 'spiffe://bitka.local/ns/bitka/sa/gateway'], 'uri_names'],
    ['a name of a foreign trust domain', ['spiffe://other.test/ns/bitka/sa/order'], 'foreign_trust_domain'],
  ])('a certificate with %s', async (_what, uris, reason) => {
    const svid = await issue({ uris })
    expect(await counted(reason, () => ask(credentialsOf(svid)))).toBe('7')
  })

  it.each([
    ['expired', { notBeforeMs: secondsFromNow(-600), notAfterMs: secondsFromNow(-60) }, 'expired'],
    ['not yet valid', { notBeforeMs: secondsFromNow(600), notAfterMs: secondsFromNow(900) }, 'not_yet_valid'],
  ])('a certificate that is %s', async (_what, times, reason) => {
    const svid = await issue({ uris: [order], ...times })
    expect(await counted(reason, () => ask(credentialsOf(svid)))).toBe('no connection')
  })

  it('a certificate of a CA that nobody knows, whatever its name', async () => {
    const { bundlePem } = await issue({})
    const foreign = await issueForeignSvid(stack.trustDomain, [order])
    const run = () => ask({ ...credentialsOf(foreign), ca: bundlePem })
    expect(await counted('unknown_authority', run)).toBe('no connection')
  })

  it('a client without a certificate', async () => {
    const { bundlePem } = await issue({})
    expect(await counted('no_certificate', () => ask({ ca: bundlePem }))).toBe('no connection')
  })

  it('TLS 1.2', async () => {
    const svid = await issue({ uris: [order] })
    const refusal = await counted(
      'tls_version',
      () =>
        new Promise<string>((resolve) => {
          const versions = {
            minVersion: 'TLSv1.2',
            maxVersion: 'TLSv1.2',
            checkServerIdentity: () => undefined,
          } as const
          const socket = connectTls({ host: 'localhost', port, ...credentialsOf(svid), ...versions }, () =>
            resolve('connected'),
          )
          socket.once('error', ({ message }) => resolve(message))
        }),
    )
    expect(refusal).toContain('protocol version')
  })

  it('plain text', async () => {
    const answered = await counted(
      'plaintext',
      () =>
        new Promise<Buffer>((resolve) => {
          const parts: Buffer[] = []
          const socket = connectTcp({ host: 'localhost', port }, () => socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'))
          socket.on('data', (part: Buffer) => parts.push(part)).on('error', () => {})
          socket.once('close', () => resolve(Buffer.concat(parts)))
        }),
    )
    // A TLS alert at the most, and never a frame of HTTP/2.
    expect([0, 0x15]).toContain(answered[0] ?? 0)
  })
})
