import { BitkaApiError } from '../errors.ts'
import type { Credentials, TokenPair } from '../types/identity.ts'

/** Where a client keeps its tokens. Whoever shares a store shares the session. */
export type TokenStore = {
  load(): TokenPair | undefined | Promise<TokenPair | undefined>
  /** undefined: signed out. */
  save(tokens: TokenPair | undefined): void | Promise<void>
}

/** Keeps tokens as long as the program runs. */
export function memoryTokens(initial?: TokenPair): TokenStore {
  let tokens = initial
  return {
    load: () => tokens,
    save: (next) => {
      tokens = next
    },
  }
}

export type SessionCalls = {
  refresh(refreshToken: string): Promise<TokenPair>
  login(credentials: Credentials): Promise<TokenPair>
}

/** A token this close to its end is not worth sending. */
const EXPIRY_MARGIN_MS = 20_000

/** Who the client is: gives out access tokens and renews them, one renewal at a time however many calls wait for it. */
export class Session {
  private tokens: TokenPair | undefined
  private loading: Promise<void> | undefined
  private renewing: Promise<string | undefined> | undefined

  constructor(
    private readonly store: TokenStore,
    private readonly credentials: Credentials | undefined,
    private readonly calls: SessionCalls,
    private readonly nowMs: () => number,
  ) {}

  /** A token that is good for now; undefined for an anonymous client. */
  async accessToken(): Promise<string | undefined> {
    await this.load()
    if (this.tokens && !this.isStale(this.tokens)) return this.tokens.access_token
    return await this.renew(this.tokens?.access_token)
  }

  /** Another token than the one that was refused; undefined when there is none to be had. */
  async renewedToken(refused: string | undefined): Promise<string | undefined> {
    if (this.tokens && this.tokens.access_token !== refused) return this.tokens.access_token
    return await this.renew(refused)
  }

  async set(tokens: TokenPair | undefined): Promise<void> {
    this.loading = Promise.resolve()
    this.tokens = tokens
    await this.store.save(tokens)
  }

  private load(): Promise<void> {
    this.loading ??= (async () => {
      this.tokens = await this.store.load()
    })()
    return this.loading
  }

  private renew(refused: string | undefined): Promise<string | undefined> {
    this.renewing ??= this.obtain(refused).finally(() => {
      this.renewing = undefined
    })
    return this.renewing
  }

  private async obtain(refused: string | undefined): Promise<string | undefined> {
    // Whoever shares the store may have renewed already; the refresh token that we remember would then be spent.
    const stored = await this.store.load()
    if (stored && stored.access_token !== refused && !this.isStale(stored)) {
      this.tokens = stored
      return stored.access_token
    }
    const fresh = (stored && (await this.refresh(stored))) ?? (await this.signIn())
    // A session that ended is forgotten, so that the next call says so at once.
    if (fresh || stored) await this.set(fresh)
    return fresh?.access_token
  }

  /** undefined when the session is over; any other failure is the caller's to see. */
  private async refresh({ refresh_token }: TokenPair): Promise<TokenPair | undefined> {
    try {
      return await this.calls.refresh(refresh_token)
    } catch (error) {
      if (error instanceof BitkaApiError && (error.status === 401 || error.status === 400)) return undefined
      throw error
    }
  }

  private async signIn(): Promise<TokenPair | undefined> {
    return this.credentials && (await this.calls.login(this.credentials))
  }

  private isStale({ access_token }: TokenPair): boolean {
    const expiresAtMs = expiryMs(access_token)
    return expiresAtMs !== undefined && expiresAtMs - EXPIRY_MARGIN_MS <= this.nowMs()
  }
}

/** When a JWT expires. Not checked any further: that is the server's business. */
function expiryMs(token: string): number | undefined {
  try {
    const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')
    const { exp } = JSON.parse(atob(payload)) as { exp?: unknown }
    return typeof exp === 'number' ? exp * 1000 : undefined
  } catch {
    return undefined
  }
}
