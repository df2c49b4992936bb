import { adminApi } from './api/admin.ts'
import { authApi, refreshTokens, signIn, usersApi } from './api/auth.ts'
import { healthApi } from './api/health.ts'
import { ledgerApi } from './api/ledger.ts'
import { marketDataApi } from './api/market-data.ts'
import { ordersApi } from './api/orders.ts'
import type { RetryOptions } from './http/retry.ts'
import { memoryTokens, Session, type TokenStore } from './http/session.ts'
import { type Fetch, Transport } from './http/transport.ts'
import { BitkaStream, type StreamOptions } from './stream/stream.ts'
import type { Credentials } from './types/identity.ts'

export type BitkaClientOptions = {
  /** Where the public API is, for example "http://127.0.0.1:8080". */
  baseUrl: string
  /** Where the tokens are kept. Default: in memory. */
  tokens?: TokenStore
  /** Sign in with these when there is no session, or when it has ended. */
  credentials?: Credentials
  /** Default: the global one. */
  fetch?: Fetch
  /** Browsers send their own. */
  userAgent?: string
  retry?: RetryOptions
  /** One try of a call. Default 10 s. */
  attemptTimeoutMs?: number
  /** A call with all its retries. Default 30 s. */
  deadlineMs?: number
}

export type BitkaClient = ReturnType<typeof createBitkaClient>

/**
 * A typed client of the whole public API. Calls that change something carry an Idempotency-Key that stays the same over
 * their retries, so that they happen once.
 */
export function createBitkaClient(options: BitkaClientOptions) {
  const { baseUrl, tokens = memoryTokens(), credentials, userAgent, retry, attemptTimeoutMs, deadlineMs } = options
  const fetch: Fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init))
  const clocks = { random: Math.random, nowMs: Date.now }
  const transport: Transport = new Transport(
    { baseUrl, fetch, userAgent, retry, attemptTimeoutMs, deadlineMs, ...clocks },
    () => session,
  )
  const calls = {
    refresh: (refreshToken: string) => refreshTokens(transport, refreshToken),
    login: (known: Credentials) => signIn(transport, known),
  }
  const session = new Session(tokens, credentials, calls, clocks.nowMs)
  return {
    baseUrl: transport.baseUrl,
    auth: authApi(transport, () => session),
    users: usersApi(transport),
    ledger: ledgerApi(transport),
    orders: ordersApi(transport),
    marketData: marketDataApi(transport),
    admin: adminApi(transport),
    health: healthApi(transport),
    /** A token that is good for now, renewed when needed; undefined for an anonymous client. */
    accessToken: (): Promise<string | undefined> => session.accessToken(),
    /** Opens the WebSocket. It signs in by itself when a private channel is asked for. */
    connectStream: (streamOptions: StreamOptions = {}): BitkaStream =>
      new BitkaStream(transport.baseUrl, session, streamOptions),
  }
}
