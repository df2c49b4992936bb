import { assert, type Logger } from '@bitka/kernel'
import type { DescMessage, DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import type { ServiceName } from './names.ts'

/** What a person may do; `user` is everybody. The words of the access token. */
export const roles = ['user', 'support', 'compliance', 'treasury', 'operator', 'admin', 'auditor'] as const
export type Role = (typeof roles)[number]

/** Who a verified access token speaks for. */
export type UserIdentity = { userId: string; sessionId: string; roles: Role[]; expiresAtMs: number }

/** Checks an access token. Throws DomainError('unauthenticated') for one that is not good. */
export type VerifyToken = (token: string) => Promise<UserIdentity>

/** What the gateway knows about the person's own request; believed from no other caller. */
export type EdgeFacts = { clientAddress?: string; userAgent?: string; idempotencyKey?: string; prefer?: string }

/** What a handler knows about the call it answers. */
export type CallContext = EdgeFacts & {
  /** Which service calls, by its certificate. */
  caller: ServiceName
  /** Set for `user` methods, and for `anonymous` ones when a good token came along. */
  user?: UserIdentity
  /** Names the person's request through all services. */
  requestId: string
  /** W3C trace context of this call: what goes on to whatever it causes. */
  traceparent: string
  /** Epoch milliseconds; Infinity for a stream without one. */
  deadlineMs: number
  /** Fires when the caller goes away, the deadline passes or the server is shut down. */
  signal: AbortSignal
  /** Full name, `/bitka.order.v1.OrderService/CreateOrder`. */
  method: string
  /** Writes the request id and the method in each line. */
  log: Logger
}

/** The person behind a call to a `user` method, where the policy sees to it that there is one. */
export function userOf({ user, method }: CallContext): UserIdentity {
  assert(user, `${method} is no method for users`)
  return user
}

/**
 * Who may call a method.
 * `user`: the gateway, with a good access token, and with one of `roles` where they are given.
 * `anonymous`: the gateway; `user` is set when a good token comes along, and a bad one is refused unless the method ignores tokens.
 * `internal`: the services named, by their certificate alone; tokens are not looked at.
 */
export type MethodPolicy =
  | { kind: 'user'; roles?: readonly Role[] }
  | { kind: 'anonymous' }
  | { kind: 'internal'; callers: readonly ServiceName[] }

/** Total over the methods: a forgotten one does not compile, and does not start. */
export type ServicePolicy<S extends DescService> = { readonly [M in keyof S['method']]: MethodPolicy }

type Kind<K extends DescMethod['methodKind'], I extends DescMessage, O extends DescMessage> = {
  methodKind: K
  input: I
  output: O
}

/** What answers one method. `never` for client and bidi streaming, which the mesh does not carry. */
export type MethodImpl<M> =
  M extends Kind<'unary', infer I, infer O>
    ? (request: MessageShape<I>, context: CallContext) => Promise<MessageInitShape<O>>
    : M extends Kind<'server_streaming', infer I, infer O>
      ? (request: MessageShape<I>, context: CallContext) => AsyncIterable<MessageInitShape<O>>
      : never

/** One handler per method. */
export type ServiceImpl<S extends DescService> = { readonly [M in keyof S['method']]: MethodImpl<S['method'][M]> }

/** What a call takes over from the call that it serves: any CallContext will do. */
export type OutgoingContext = Partial<Pick<CallContext, 'requestId' | 'traceparent' | 'deadlineMs' | 'signal'>>

export type CallOptions = {
  /** Takes over request id, trace, cancellation and what is left of the deadline. */
  ctx?: OutgoingContext
  /** The person's access token. Only the gateway sends one. */
  token?: string
  /** What the gateway knows about the person's request. Only the gateway sends it. */
  edge?: EdgeFacts
  /** How long this call may take at most, in milliseconds from now. */
  deadlineMs?: number
  signal?: AbortSignal
  /** Further metadata. */
  metadata?: Readonly<Record<string, string>>
}

/** How one method is called. */
export type ClientMethod<M> =
  M extends Kind<'unary', infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : M extends Kind<'server_streaming', infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : never

/** A typed client. `close` gives up its share of the channel. */
export type Client<S extends DescService> = { readonly [M in keyof S['method']]: ClientMethod<S['method'][M]> } & {
  close(): void
}
