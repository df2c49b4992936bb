import { isIP } from 'node:net'
import { ConfigError, loadConfig } from '@bitka/kernel'
import { baseShape, port, type ServiceEnv, tracingShape } from '@bitka/service'
import { z } from 'zod'

const yesNo = z
  .enum(['yes', 'no'])
  .default('no')
  .transform((word) => word === 'yes')
const count = (byDefault: number) => z.coerce.number().int().min(1).default(byDefault)

const origins = z
  .string()
  .default('')
  .transform((text) => text.split(',').filter(Boolean))
  .refine((list) => list.every((origin) => /^https?:\/\/[^/?#]+$/.test(origin)), 'must be a list of origins')

const schema = z.object({
  BITKA_PROFILE: baseShape.BITKA_PROFILE,
  BITKA_LOG_LEVEL: baseShape.BITKA_LOG_LEVEL,
  SPIFFE_ENDPOINT_SOCKET: baseShape.SPIFFE_ENDPOINT_SOCKET,
  BITKA_TRUST_DOMAIN: baseShape.BITKA_TRUST_DOMAIN,
  BITKA_PEERS: baseShape.BITKA_PEERS,
  BITKA_METRICS_HOST: baseShape.BITKA_METRICS_HOST,
  BITKA_METRICS_PORT: baseShape.BITKA_METRICS_PORT,
  ...tracingShape,

  /** Where the gateway listens. Anything but loopback needs TLS, and in the demo profile BITKA_DEMO_PUBLIC too. */
  BITKA_HTTP_HOST: z.string().min(1).default('127.0.0.1'),
  /** The port for HTTP/1.1: REST, Connect, gRPC-Web and the WebSocket. 0 takes a free one. */
  BITKA_HTTP_PORT: port.default(8080),
  /** A second port, for HTTP/2: gRPC proper, and everything else too. With TLS when the first has it. Unset: none. */
  BITKA_GRPC_PORT: port.optional(),
  /** yes: a demo may be reached from other machines, and without TLS. */
  BITKA_DEMO_PUBLIC: yesNo,

  /** Certificate chain for TLS, PEM. */
  BITKA_TLS_CERT: z.string().min(1).optional(),
  /** Its private key, PEM. */
  BITKA_TLS_KEY: z.string().min(1).optional(),
  /** yes: TLS with the gateway's own workload identity instead, for a front proxy in the mesh. */
  BITKA_TLS_IDENTITY: yesNo,

  /** Origins whose pages may call the API, comma-separated. The gateway's own needs no entry. */
  BITKA_CORS_ORIGINS: origins,
  /** false: market data needs a token too. */
  BITKA_PUBLIC_MARKETDATA: z
    .enum(['true', 'false'])
    .default('true')
    .transform((word) => word === 'true'),

  /** Multiplies all rate limits; 0 turns them off. Demo profile only, for load tests. */
  BITKA_RATE_LIMIT_SCALE: z.coerce.number().min(0).max(1_000_000).default(1),
  /** Requests a minute from an address without a token. */
  BITKA_LIMIT_ANONYMOUS_PER_MINUTE: count(120),
  /** Requests a minute of a user, by weight. */
  BITKA_LIMIT_USER_PER_MINUTE: count(1_200),
  /** Orders and cancels a second of a user, on average. */
  BITKA_LIMIT_ORDERS_PER_SECOND: count(100),
  /** Orders and cancels of a user at once. */
  BITKA_LIMIT_ORDERS_BURST: count(300),
  /** Sign-ins a minute to an account from one network. */
  BITKA_LIMIT_SIGN_IN_PER_ACCOUNT: count(10),
  /** Sign-ins a minute from an address. */
  BITKA_LIMIT_SIGN_IN_PER_ADDRESS: count(30),
  /** Registrations an hour from an address; 30, or 600 in the demo profile. */
  BITKA_LIMIT_REGISTRATION_PER_HOUR: z.coerce.number().int().min(1).optional(),

  /** How long the head of a request may take to arrive, ms. */
  BITKA_HEADERS_TIMEOUT_MS: count(5_000),
  /** How long a body may take to arrive, ms. */
  BITKA_BODY_TIMEOUT_MS: count(10_000),
  /** How long an answer may take, ms. */
  BITKA_REQUEST_TIMEOUT_MS: count(10_000),
  /** The largest request body, bytes. */
  BITKA_BODY_BYTES: count(65_536),
  /** Open connections in all; more are refused. */
  BITKA_CONNECTIONS: count(20_000),
  /**
   * How long the gateway still takes requests once it is told to stop, ms: health checks fail and connections end with their
   * request, so that a front proxy turns to others before anything is refused.
   */
  BITKA_LAME_DUCK_MS: z.coerce.number().int().min(0).max(60_000).default(0),
  /** How long requests under way may take to end when the gateway stops, ms. */
  BITKA_DRAIN_MS: count(10_000),

  /** WebSockets and open RPC streams of one address. */
  BITKA_STREAMS_PER_ADDRESS: count(100),
  /** Subscriptions of one WebSocket. */
  BITKA_WS_SUBSCRIPTIONS: count(200),
  /** Messages a second that a WebSocket may send, on average; three times as many at once. */
  BITKA_WS_MESSAGES_PER_SECOND: count(20),
  /** Unsent bytes from which a reader counts as slow and gets coalesced updates. */
  BITKA_WS_SLOW_BYTES: count(262_144),
  /** Unsent bytes at which a reader is dropped with 4008. */
  BITKA_WS_DROP_BYTES: count(8_388_608),
  /** How long a reader may stay slow before it is dropped with 4008, ms. */
  BITKA_WS_SLOW_MS: count(30_000),
  /** Pause between two pings; a WebSocket that has not answered one by the next is closed. */
  BITKA_WS_PING_MS: count(30_000),
})

export type GatewayConfig = z.infer<typeof schema>

/** The variables that set budgets and bounds, for whoever starts a gateway with others of its own. */
export const boundVariables: readonly string[] = Object.keys(schema.shape).filter((name) =>
  /^BITKA_(LIMIT|WS|STREAMS)_/.test(name),
)

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

/** Whether the listeners speak TLS. */
export const hasTls = (config: GatewayConfig): boolean =>
  config.BITKA_TLS_IDENTITY || config.BITKA_TLS_CERT !== undefined

/** Reads and checks the environment. @throws ConfigError */
export function readConfig(env: ServiceEnv): GatewayConfig {
  const config = loadConfig(schema, env)
  const problems: string[] = []
  const demo = config.BITKA_PROFILE === 'demo'
  if ((config.BITKA_TLS_CERT === undefined) !== (config.BITKA_TLS_KEY === undefined)) {
    problems.push('BITKA_TLS_CERT and BITKA_TLS_KEY: set both or neither')
  }
  if (config.BITKA_TLS_CERT !== undefined && config.BITKA_TLS_IDENTITY) {
    problems.push('BITKA_TLS_IDENTITY: not together with BITKA_TLS_CERT')
  }
  if (config.BITKA_RATE_LIMIT_SCALE !== 1 && !demo) problems.push('BITKA_RATE_LIMIT_SCALE: only in the demo profile')
  if (!isLoopback(config.BITKA_HTTP_HOST)) {
    // Passwords and tokens would cross the network in the clear, and a demo lets one person do everything.
    if (demo && !config.BITKA_DEMO_PUBLIC)
      problems.push('BITKA_HTTP_HOST: a demo stays on loopback unless BITKA_DEMO_PUBLIC=yes')
    if (!demo && !hasTls(config)) problems.push('BITKA_HTTP_HOST: without TLS only loopback')
  }
  if (problems.length > 0) throw new ConfigError(`bad configuration: ${problems.join('; ')}`)
  return config
}
