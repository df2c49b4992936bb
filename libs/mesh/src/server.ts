import { EventEmitter } from 'node:events'
import type { Logger } from '@bitka/kernel'
import { Health } from '@bitka/proto/grpc/health/v1/health_pb'
import { noTracing, type Tracing } from '@bitka/telemetry'
import type { DescService } from '@bufbuild/protobuf'
import { Server, type UntypedServiceImplementation } from '@grpc/grpc-js'
import type { Registry } from 'prom-client'
import { checkPolicy } from './authorize.ts'
import { grpcDefinition, type MeshMethod, meshMethods } from './bridge.ts'
import { type AnyHandler, toHandler } from './handlers.ts'
import { HealthState } from './health.ts'
import { healthHandlers } from './health-service.ts'
import type { WorkloadIdentity } from './identity.ts'
import { meshMetrics } from './metrics.ts'
import { watchHandshakes } from './refusals.ts'
import { ActiveCalls, type CallEnvironment } from './server-call.ts'
import { MeshServerCredentials } from './tls.ts'
import type { MethodPolicy, ServiceImpl, ServicePolicy, VerifyToken } from './types.ts'

/** The largest message in either direction. */
export const MESSAGE_BYTES_MAX = 4 * 1024 * 1024

/** A service with its handlers and its policy, ready for `createServer`. */
export type BoundService = {
  readonly desc: DescService
  readonly handlers: Readonly<Record<string, AnyHandler>>
  readonly policy: Readonly<Record<string, MethodPolicy>>
}

/** Joins a service, its handlers and who may call them. Throws for a policy or an implementation that is not total. */
export function implement<S extends DescService>(
  desc: S,
  impl: ServiceImpl<S>,
  policy: ServicePolicy<S>,
): BoundService {
  checkPolicy(desc, policy)
  const handlers = new Map<string, AnyHandler>()
  for (const name of meshMethods(desc).keys()) {
    // The mapped type says that each method has its handler; `name` is only known as a string here.
    const handler: unknown = Reflect.get(impl, name)
    if (typeof handler !== 'function') throw new Error(`${desc.typeName}.${name} has no handler`)
    handlers.set(name, (request, context) => handler.call(impl, request, context))
  }
  return { desc, handlers: Object.fromEntries(handlers), policy }
}

export type ServerOptions = {
  identity: WorkloadIdentity
  log: Logger
  /** 0 takes a free one. */
  port: number
  /** Where to listen; 127.0.0.1 unless said. */
  host?: string
  services: readonly BoundService[]
  /** Needed as soon as one method is `user` or `anonymous`. */
  verifyToken?: VerifyToken
  /** What grpc.health.v1 answers; the service sets it. Serving from the start unless given. */
  health?: HealthState
  metrics?: Registry
  /** Where spans of calls go; nowhere unless given. */
  tracing?: Tracing
  /** The longest a unary call may take, whatever its caller allows. */
  deadlineMsMax?: number
  /** A connection is replaced after this, so that new certificates are used. */
  connectionAgeMsMax?: number
  /** How long calls on a replaced connection may go on. */
  connectionGraceMs?: number
}

export type MeshServer = {
  readonly port: number
  readonly health: HealthState
  /** Resolves when the port is open. Waits for the workload's identity. */
  start(): Promise<void>
  /**
   * Takes no new calls, says NOT_SERVING, ends streams with UNAVAILABLE, lets unary calls finish, and after `graceMs` stops
   * what is still running.
   */
  drain(graceMs: number): Promise<void>
}

/** A gRPC server of the mesh. Nothing is open before `start()`. */
export function createServer(options: ServerOptions): MeshServer {
  const { identity, log, services, verifyToken } = options
  const needsUsers = services.some(({ policy }) => Object.values(policy).some((rule) => rule.kind !== 'internal'))
  if (needsUsers && !verifyToken) throw new Error('methods for users need verifyToken')
  const health = options.health ?? new HealthState()
  const { server: metrics, refused } = meshMetrics(options.metrics)
  const active = new ActiveCalls()
  const draining = new AbortController()
  const server = new Server({
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_connection_age_ms': options.connectionAgeMsMax ?? 30 * 60_000,
    'grpc.max_connection_age_grace_ms': options.connectionGraceMs ?? 10 * 60_000,
  })
  const environment = (): CallEnvironment => ({
    trustDomain: identity.current().trustDomain,
    verifyToken,
    log,
    metrics,
    tracing: options.tracing ?? noTracing,
    refused,
    deadlineMsMax: options.deadlineMsMax ?? 30_000,
    active,
  })
  for (const service of services) addService(server, service, environment)
  const names = new Set(services.map(({ desc }) => desc.typeName))
  server.addService(
    grpcDefinition(Health),
    healthHandlers(health, names, () => identity.current().trustDomain, draining.signal, refused),
  )
  let port = options.port
  let tls: MeshServerCredentials | undefined
  return {
    health,
    get port() {
      return port
    },
    async start() {
      await identity.ready()
      tls = new MeshServerCredentials(identity)
      port = await bind(server, `${options.host ?? '127.0.0.1'}:${options.port}`, tls)
      for (const listener of listenersOf(server)) {
        watchHandshakes(listener, (reason) => {
          refused(reason)
          log.warn({ reason }, 'refused a peer in the TLS handshake')
        })
      }
      log.info({ port, spiffe_id: identity.current().spiffeId }, 'mesh server listens')
    },
    async drain(graceMs) {
      health.stop()
      draining.abort()
      active.endStreams()
      const timer = setTimeout(() => {
        active.endAll()
        // One turn, so that what was given up is answered before its connection goes.
        setImmediate(() => server.forceShutdown())
      }, graceMs)
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
      clearTimeout(timer)
      tls?.release()
    },
  }
}

function addService(server: Server, { desc, handlers, policy }: BoundService, env: () => CallEnvironment): void {
  const implementation: UntypedServiceImplementation = {}
  const definition = new Map<string, MeshMethod>()
  for (const [name, method] of meshMethods(desc)) {
    const handler = handlers[name]
    const rule = policy[name]
    if (!handler || !rule) throw new Error(`${desc.typeName}.${name} is not bound`)
    implementation[name] = toHandler(method, handler, rule, env)
    // Handlers answer bytes: they encode where an error still becomes a log line.
    definition.set(name, { ...method, responseSerialize: passBytes })
  }
  server.addService(Object.fromEntries(definition), implementation)
}

function passBytes(bytes: object): Buffer {
  if (!Buffer.isBuffer(bytes)) throw new Error('a handler answered no bytes')
  return bytes
}

/** The TLS servers inside, which alone know of peers that never got to a call. grpc-js has no other way to learn of them. */
function listenersOf(server: Server): EventEmitter[] {
  const listeners: unknown = Reflect.get(server, 'http2Servers')
  if (!(listeners instanceof Map) || listeners.size === 0) throw new Error('grpc-js shows no listeners')
  return [...listeners.keys()].filter((listener) => listener instanceof EventEmitter)
}

const bind = (server: Server, address: string, tls: MeshServerCredentials): Promise<number> =>
  new Promise((resolve, reject) => {
    server.bindAsync(address, tls, (error, port) => (error ? reject(error) : resolve(port)))
  })
