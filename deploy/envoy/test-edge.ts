import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createSecureServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { createServer, get } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { type DevCa, issueForeignSvid, type Svid, startDevCa, svidFiles, writeSvidPem } from '@bitka/dev-ca'
import { silentLogger } from '@bitka/kernel'
import { spiffeId } from '@bitka/mesh'
import { freePorts } from '@bitka/supervisor'
import { stringify } from 'yaml'
import { edgeConfig } from './config.ts'
import { filesSource, runEnvoy } from './native.ts'
import type { EdgeOptions, EdgePorts } from './options.ts'
import { sdsFiles } from './tls.ts'

export const TRUST_DOMAIN = 'bitka.local'
export const CALLER = spiffeId(TRUST_DOMAIN, 'internal-caller')
const READY_MS = 20_000

/** What stands in the gateway's place; every handler may be changed while it runs. */
export type Upstream = {
  http: (req: IncomingMessage, res: ServerResponse) => void
  upgrade: (req: IncomingMessage, socket: Duplex) => void
  grpc: (stream: ServerHttp2Stream, headers: Record<string, string | string[] | undefined>) => void
}

/** An Envoy of its own, made from the template, on free ports, before an upstream that plays the gateway. For tests. */
export type TestEdge = {
  readonly ports: EdgePorts
  /** https://localhost:port of the public listener. */
  readonly url: string
  /** Roots of the certificate that people see. */
  readonly roots: string
  readonly upstream: Upstream
  /** Of the mesh, and of the public certificate. */
  readonly ca: DevCa
  readonly publicCa: DevCa
  /** Where the public certificate is: svid.pem and key.pem. */
  readonly publicDir: string
  /** An identity of the mesh, or of a CA that nobody knows. */
  identity(options: Parameters<DevCa['issue']>[0]): Promise<Svid>
  foreign(uris: string[]): Promise<Svid>
  /** Puts a certificate of the mesh where Envoy looks for it. */
  giveIdentity(): Promise<void>
  /** All that Envoy has written. */
  output(): string
  /** Its access log so far. */
  accessLog(): Record<string, unknown>[]
  readonly process: ChildProcess
  /** GET or POST on Envoy's administration. */
  admin(path: string, method?: string): Promise<string>
  /** Ends the upstream alone. */
  stopUpstream(): Promise<void>
  stop(): Promise<void>
}

export type TestEdgeOptions = {
  /** Envoy's binary. */
  binary: string
  /** True: Envoy is started without a certificate of the mesh; `giveIdentity` makes it. */
  identityLater?: boolean
  /** What differs from the native stack's options. */
  options?: Partial<EdgeOptions>
}

/** Starts one and waits until it is ready. */
export async function startTestEdge(given: TestEdgeOptions): Promise<TestEdge> {
  const stops: (() => unknown)[] = []
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each()
  }
  try {
    return await start(given, stops, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

async function start(
  { binary, options = {}, identityLater = false }: TestEdgeOptions,
  stops: (() => unknown)[],
  stop: () => Promise<void>,
): Promise<TestEdge> {
  const dir = mkdtempSync(join(tmpdir(), 'bitka-edge-'))
  stops.push(() => rmSync(dir, { recursive: true, force: true }))
  chmodSync(dir, 0o700)
  const [meshDir, publicDir] = [join(dir, 'mesh'), join(dir, 'public')]
  const ca = await startDevCa({
    dir: join(dir, 'mesh-ca'),
    trustDomain: TRUST_DOMAIN,
    log: silentLogger,
    services: [{ name: 'envoy', ...(!identityLater && { filesDir: meshDir }) }],
  })
  stops.push(() => ca.stop())
  mkdirSync(meshDir, { recursive: true, mode: 0o700 })
  const publicCa = await startDevCa({
    dir: join(dir, 'public-ca'),
    trustDomain: 'public.bitka.local',
    log: silentLogger,
    services: [{ name: 'edge', dnsNames: ['localhost'], filesDir: publicDir }],
  })
  stops.push(() => publicCa.stop())
  const gateway = await startUpstream(ca)
  stops.push(() => gateway.stop())
  const ports = await edgePorts()
  const identity = filesSource('identity', svidFiles(meshDir))
  const publicCertificate = filesSource('public', svidFiles(publicDir))
  const config = edgeConfig({
    trustDomain: TRUST_DOMAIN,
    identity,
    publicCertificate,
    address: '127.0.0.1',
    ports,
    gateways: [gateway.address],
    operatorNetworks: ['127.0.0.1/32'],
    operatorsOnPublic: false,
    internalCallers: [CALLER],
    flood: { perSecond: 10_000, burst: 10_000 },
    ...options,
  })
  const file = join(dir, 'envoy.yaml')
  for (const [path, content] of [[file, config] as const, ...sdsFiles(identity), ...sdsFiles(publicCertificate)])
    writeFileSync(path, stringify(content), { mode: 0o600 })
  const { command, args, env } = runEnvoy(binary, file, `localhost:${ports.public}`)
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  stops.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const admin: TestEdge['admin'] = async (path, method = 'GET') =>
    await (await fetch(`http://127.0.0.1:${ports.envoyAdmin}${path}`, { method })).text()
  const url = `https://localhost:${ports.public}`
  const roots = readFileSync(svidFiles(publicDir).caFile, 'utf8')
  if (!identityLater) await untilReady(`${url}/healthz`, roots, child, () => output)
  return {
    ports,
    url,
    roots,
    upstream: gateway.upstream,
    ca,
    publicCa,
    publicDir,
    identity: (leaf) => ca.issue(leaf),
    foreign: (uris) => issueForeignSvid(TRUST_DOMAIN, uris),
    giveIdentity: async () => writeSvidPem(meshDir, await ca.issue({ uris: [spiffeId(TRUST_DOMAIN, 'envoy')] })),
    output: () => output,
    accessLog: () =>
      // The last line may not be whole yet.
      output
        .slice(0, output.lastIndexOf('\n') + 1)
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    process: child,
    admin,
    stopUpstream: () => gateway.stop(),
    stop,
  }
}

async function untilReady(url: string, ca: string, child: ChildProcess, output: () => string): Promise<void> {
  const deadline = performance.now() + READY_MS
  const status = (): Promise<number | undefined> =>
    new Promise((resolve) => {
      get(url, { ca, agent: false }, (response) => {
        response.resume()
        resolve(response.statusCode)
      }).once('error', () => resolve(undefined))
    })
  while ((await status()) !== 200) {
    if (child.exitCode !== null) throw new Error(`Envoy ended: ${output()}`)
    if (performance.now() > deadline) throw new Error(`Envoy was not ready: ${output()}`)
    await pause(50)
  }
}

/** Answers 200 until somebody says what else. */
async function startUpstream(
  ca: DevCa,
): Promise<{ upstream: Upstream; address: EdgeOptions['gateways'][number]; stop(): Promise<void> }> {
  const { certificatePem: cert, privateKeyPem: key, bundlePem } = await ca.issue({})
  const tls = { cert, key, ca: bundlePem, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' } as const
  const upstream: Upstream = {
    http: (req, res) => {
      req.resume()
      res.end('{}')
    },
    upgrade: (_, socket) => socket.destroy(),
    grpc: (stream) => stream.respond({ ':status': 200, 'grpc-status': '0' }, { endStream: true }),
  }
  const http = createServer({ ...tls, keepAliveTimeout: 5_000 }, (req, res) =>
    // Envoy's own question, which no test means.
    req.url === '/healthz' ? void res.end('{}') : upstream.http(req, res),
  )
  http.on('upgrade', (req, socket) => upstream.upgrade(req, socket))
  const grpc = createSecureServer(tls)
  grpc.on('stream', (stream, headers) => upstream.grpc(stream, headers as Record<string, string>))
  const sessions = new Set<ServerHttp2Session>()
  grpc.on('session', (session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    session.on('error', () => {})
  })
  const listen = async (server: typeof http | typeof grpc): Promise<number> => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const address = { host: '127.0.0.1', http: await listen(http), grpc: await listen(grpc) }
  return {
    upstream,
    address,
    async stop() {
      http.closeAllConnections()
      for (const session of sessions) session.destroy()
      await Promise.all([http, grpc].map((server) => new Promise((done) => server.close(done))))
    },
  }
}

async function edgePorts(): Promise<EdgePorts> {
  const names = ['public', 'plain', 'admin', 'mesh', 'metrics', 'envoyAdmin'] as const
  const ports = await freePorts(names.length)
  return Object.fromEntries(names.map((name, i) => [name, ports[i]])) as EdgePorts
}
