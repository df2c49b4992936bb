import { generateKeyPairSync, sign } from 'node:crypto'
import { type DevCa, startDevCa } from '@bitka/dev-ca'
import { DomainError, newId, silentLogger } from '@bitka/kernel'
import {
  type CallContext,
  createServer,
  createTokenVerifier,
  HealthState,
  implement,
  type MeshServer,
  type MethodPolicy,
  type Role,
  serviceNames,
  WorkloadIdentity,
} from '@bitka/mesh'
import { DirectoryService } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { tempDir } from '@bitka/testkit'
import type { DescService, Message } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { publicMethods } from '../src/methods.ts'
import { type BackendName, backendNames, publicServices } from '../src/public-services.ts'
import { type RunningGateway, startGateway } from '../src/service.ts'

type Handler = (request: never, ctx: CallContext) => Promise<object> | AsyncIterable<object>

/** What reached a service. */
export type Call = { service: BackendName; method: string; request: Message; ctx: CallContext }

const issuerKeys = generateKeyPairSync('rsa', { modulusLength: 2048 })
const jwk = { ...issuerKeys.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256', use: 'sig' }

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

export type TokenOptions = { userId?: string; sessionId?: string; roles?: Role[]; expiresInMs?: number }

/** An access token as auth signs it. */
export function token({
  userId = newId(),
  sessionId = newId(),
  roles = ['user'],
  expiresInMs = 900_000,
}: TokenOptions = {}) {
  const nowS = Date.now() / 1000
  const claims = {
    iss: 'bitka-auth',
    aud: 'bitka',
    sub: userId,
    sid: sessionId,
    roles,
    exp: nowS + expiresInMs / 1000,
    iat: nowS,
  }
  const text = `${encode({ alg: 'RS256', kid: 'k1', typ: 'JWT' })}.${encode(claims)}`
  return `${text}.${sign('RSA-SHA256', Buffer.from(text), issuerKeys.privateKey).toString('base64url')}`
}

/** Every service behind the gateway, over the real mesh, each method answering what a test says. */
export class World {
  readonly calls: Call[] = []
  /** `MethodName` → what it does. Without one a method is NOT_FOUND. */
  readonly handlers = new Map<string, Handler>()
  readonly revoked = new Set<string>()
  private readonly stops: (() => Promise<unknown> | unknown)[] = []
  private readonly servers = new Map<BackendName, MeshServer>()
  readonly health = new Map<BackendName, HealthState>()

  private constructor(readonly ca: DevCa) {}

  static async open(): Promise<World> {
    const services = serviceNames.map((name) => ({ name }))
    const world = new World(await startDevCa({ dir: await tempDir(), services, log: silentLogger }))
    world.stops.push(() => world.ca.stop())
    for (const name of backendNames) await world.serve(name)
    return world
  }

  on<R>(method: string, handler: (request: R, ctx: CallContext) => Promise<object> | AsyncIterable<object>): void {
    this.handlers.set(method, handler as Handler)
  }

  /** The last call that reached a service. */
  get last(): Call {
    const call = this.calls.at(-1)
    if (!call) throw new Error('nothing was called')
    return call
  }

  /** A gateway before these services; its own part of the environment is `env`. */
  async gateway(env: Record<string, string> = {}): Promise<RunningGateway> {
    const peers = [...this.servers].map(([name, { port }]) => `${name}=localhost:${port}`)
    const gateway = await startGateway(
      {
        BITKA_PROFILE: 'demo',
        BITKA_HTTP_PORT: '0',
        SPIFFE_ENDPOINT_SOCKET: this.ca.socketPath('gateway'),
        BITKA_PEERS: peers.join(','),
        BITKA_DRAIN_MS: '2000',
        ...env,
      },
      { log: silentLogger },
    )
    this.stops.push(() => gateway.stop())
    return gateway
  }

  /** Ends one service, or starts it again where it was. */
  async stop(name: BackendName): Promise<void> {
    await this.servers.get(name)?.drain(0)
  }

  async restart(name: BackendName): Promise<void> {
    await this.serve(name, this.servers.get(name)?.port)
  }

  async close(): Promise<void> {
    for (const stop of this.stops.reverse()) await stop()
  }

  private async serve(name: BackendName, port = 0): Promise<void> {
    const identity = WorkloadIdentity.connect({ socketPath: this.ca.socketPath(name), log: silentLogger })
    const health = new HealthState()
    const server = createServer({
      identity,
      log: silentLogger,
      port,
      host: 'localhost',
      health,
      services: [...this.contracts(name), ...(name === 'auth' ? [this.directory()] : [])],
      verifyToken: createTokenVerifier({
        jwks: async () => ({ keys: [jwk] as never }),
        isRevoked: (sessionId) => this.revoked.has(sessionId),
      }),
    })
    await server.start()
    this.servers.set(name, server)
    this.health.set(name, health)
    this.stops.push(async () => {
      await server.drain(0)
      identity.close()
    })
  }

  private contracts(name: BackendName) {
    const owned = publicServices.filter(({ owner }) => owner === name || owner === 'named-by-request')
    return owned.map(({ desc, owner }) => {
      const impl: Record<string, unknown> = {}
      const policy: Record<string, MethodPolicy> = {}
      for (const { desc: method, anonymous } of publicMethods([{ desc, owner }])) {
        policy[method.localName] = { kind: anonymous ? 'anonymous' : 'user' }
        impl[method.localName] = (request: Message, ctx: CallContext) => {
          this.calls.push({ service: name, method: method.name, request, ctx })
          const handler = this.handlers.get(method.name)
          if (handler) return handler(request as never, ctx)
          const refusal = new DomainError('not_found', 'There is no such thing.')
          return method.methodKind === 'unary' ? Promise.reject(refusal) : failing(refusal)
        }
      }
      return implement<DescService>(desc, impl as never, policy as never)
    })
  }

  private directory() {
    const rule: MethodPolicy = { kind: 'internal', callers: serviceNames }
    const nothing = async () => ({})
    return implement(
      DirectoryService,
      {
        getUsers: nothing,
        resolveUsername: nothing,
        listRevokedSessions: async () => ({
          sessions: [...this.revoked].map((sessionId) => ({
            sessionId,
            tokensExpireAt: timestampFromMs(Date.now() + 900_000),
          })),
        }),
        getKeys: async () => ({ keys: [jwk] as never }),
      },
      { getUsers: rule, resolveUsername: rule, listRevokedSessions: rule, getKeys: rule },
    )
  }
}

// biome-ignore lint/correctness/useYield: it refuses before its first item
async function* failing(error: Error): AsyncGenerator<object> {
  throw error
}

/** A queue that a fake service streams from. */
export class Source<T extends object> implements AsyncIterable<T> {
  private readonly waiting: T[] = []
  private wake: (() => void) | undefined
  private ended: Error | true | undefined

  push(...items: T[]): void {
    this.waiting.push(...items)
    this.wake?.()
  }

  /** Ends the stream, by an error when one is given. */
  end(error?: Error): void {
    this.ended = error ?? true
    this.wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const next = this.waiting.shift()
      if (next) yield next
      else if (this.ended instanceof Error) throw this.ended
      else if (this.ended) return
      else
        await new Promise<void>((resolve) => {
          this.wake = resolve
        })
    }
  }
}
