import { DomainError, type Logger } from '@bitka/kernel'
import {
  type CallOptions,
  type Client,
  createClient,
  type EdgeFacts,
  type ServiceName,
  type WorkloadIdentity,
} from '@bitka/mesh'
import type { Tracing } from '@bitka/telemetry'
import type { DescService, Message } from '@bufbuild/protobuf'
import type { Registry } from 'prom-client'
import type { PublicMethod } from '../methods.ts'
import { isBackendName, type Owner } from '../public-services.ts'

export type BackendOptions = {
  identity: WorkloadIdentity
  peers: Partial<Record<ServiceName, string>>
  log: Logger
  metrics: Registry
  tracing: Tracing
  requestTimeoutMs: number
}

/** What a call to a service carries. */
export type Forward = {
  requestId: string
  traceparent: string
  token?: string
  edge: EdgeFacts
  /** Epoch ms; none for a stream. */
  deadlineMs?: number
  signal?: AbortSignal
}

type Unary = (request: Message, options: CallOptions) => Promise<Message>
type Streaming = (request: Message, options: CallOptions) => AsyncIterable<Message>

/** The services behind the gateway: one client a service and contract, made at the first call. */
export class Backends {
  private readonly clients = new Map<string, { close(): void }>()

  constructor(private readonly options: BackendOptions) {}

  /** Calls a public method at the service that owns it. */
  call(method: PublicMethod, request: Message, forward: Forward): Promise<Message> {
    const call: Unary = this.bound(method, request)
    return call(request, callOptions(forward))
  }

  /** The same for a method that streams its answer. */
  stream(method: PublicMethod, request: Message, forward: Forward): AsyncIterable<Message> {
    const call: Streaming = this.bound(method, request)
    return call(request, callOptions(forward))
  }

  /** A typed client, for what the gateway itself asks. */
  client<S extends DescService>(desc: S, owner: ServiceName): Client<S> {
    const key = `${owner} ${desc.typeName}`
    const known = this.clients.get(key)
    // The key holds the contract's name, so this client was made from the same descriptor.
    if (known) return known as Client<S>
    const { identity, peers, log, metrics, tracing, requestTimeoutMs } = this.options
    const target = peers[owner]
    if (target === undefined) throw new DomainError('unavailable', `The service ${owner} is not part of this exchange.`)
    const client = createClient(desc, {
      identity,
      target,
      expect: owner,
      log,
      metrics,
      tracing,
      defaultDeadlineMs: requestTimeoutMs,
      idempotent: readMethods(desc),
    })
    this.clients.set(key, client)
    return client
  }

  close(): void {
    for (const client of this.clients.values()) client.close()
  }

  private bound<F>(method: PublicMethod, request: Message): F {
    const client = this.client(method.desc.parent, ownerOf(method.owner, request))
    // The descriptor of a method and the client of its service agree by construction.
    return Reflect.get(client, method.desc.localName) as F
  }
}

/** Reading twice does no harm, whatever the contract says of the method. */
const readMethods = (desc: DescService): string[] =>
  desc.methods
    .filter(({ name, methodKind }) => methodKind === 'unary' && /^(Get|List|Search)/.test(name))
    .map(({ localName }) => localName)

function ownerOf(owner: Owner, request: Message): ServiceName {
  if (owner !== 'named-by-request') return owner
  const { service } = request as { service?: unknown }
  if (typeof service === 'string' && isBackendName(service)) return service
  throw new DomainError('not_found', 'There is no such service.')
}

const callOptions = ({ requestId, traceparent, token, edge, deadlineMs, signal }: Forward): CallOptions => ({
  ctx: { requestId, traceparent, deadlineMs },
  token,
  edge,
  signal,
})
