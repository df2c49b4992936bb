import type { IncomingMessage } from 'node:http'
import { DomainError, isUuid } from '@bitka/kernel'
import type { UserIdentity, VerifyToken } from '@bitka/mesh'
import { MarketDataService } from '@bitka/proto/bitka/market_data/v1/market_data_pb'
import type { Message } from '@bufbuild/protobuf'
import type { PublicMethod } from '../methods.ts'
import { clientAddress } from './address.ts'
import type { Consumed } from './limiter.ts'
import type { Limits } from './limits.ts'

/** Who is asking, as far as the gateway knows. Each service checks the token again itself. */
export type Caller = { address: string; userAgent?: string; user?: UserIdentity; token?: string }

export type Admission = { caller: Caller; consumed: Consumed[] }

export type GatekeeperOptions = {
  verify: VerifyToken
  limits: Limits
  trustDomain: () => string
  /** Market data for everybody. */
  publicMarketData: boolean
}

const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i

const noToken = (): DomainError => new DomainError('unauthenticated', 'An access token is needed.')
const badToken = (): DomainError =>
  new DomainError('unauthenticated', 'The access token is missing, malformed or expired.')

/** Decides, before a request is read, who asks and whether they may ask now. The same for every dialect. */
export class Gatekeeper {
  constructor(private readonly options: GatekeeperOptions) {}

  addressOf(req: IncomingMessage): string {
    return clientAddress(req, this.options.trustDomain)
  }

  /**
   * `counted` hears of what was taken from which budget, also when the caller is refused.
   * @throws DomainError unauthenticated, Refusal 429
   */
  async admit(req: IncomingMessage, method: PublicMethod, counted: (consumed: Consumed[]) => void): Promise<Admission> {
    const { limits } = this.options
    const caller: Caller = { address: this.addressOf(req), userAgent: req.headers['user-agent'] }
    try {
      if (!method.ignoresToken) Object.assign(caller, await this.identify(req.headers.authorization))
      if (!caller.user && this.needsUser(method)) throw noToken()
    } catch (error) {
      // Guessing tokens costs as much as any other anonymous request.
      counted(await limits.admitAnonymous(caller.address))
      throw error
    }
    const consumed = await limits.admit(method, caller)
    counted(consumed)
    return { caller, consumed }
  }

  /** What the method's own message says about the limits. @throws Refusal 429 */
  async admitRequest(method: PublicMethod, request: Message, { address }: Caller): Promise<Consumed[]> {
    return method.limit === 'sign-in' ? await this.options.limits.admitSignIn(request, address) : []
  }

  /** A request that no method takes. @throws Refusal 429 */
  admitStranger(req: IncomingMessage): Promise<Consumed[]> {
    return this.charge(this.addressOf(req))
  }

  /** Takes one from the budget of an address. @throws Refusal 429 */
  async charge(address: string): Promise<Consumed[]> {
    return await this.options.limits.admitAnonymous(address)
  }

  /** Where no token is needed, one that is sent must be good all the same. @throws DomainError unauthenticated */
  async checkToken(req: IncomingMessage): Promise<void> {
    await this.identify(req.headers.authorization)
  }

  needsUser({ anonymous, desc }: PublicMethod): boolean {
    if (!anonymous) return true
    const marketData = desc.parent === MarketDataService && desc !== MarketDataService.method.getTime
    return marketData && !this.options.publicMarketData
  }

  /** The token must be good wherever one is sent. */
  private async identify(header: string | undefined): Promise<Pick<Caller, 'user' | 'token'>> {
    if (header === undefined) return {}
    const [, token] = BEARER.exec(header) ?? []
    if (token === undefined) throw badToken()
    return { token, user: await this.options.verify(token) }
  }
}

const VISIBLE_ASCII = /^[\x21-\x7e]{1,64}$/

/**
 * The Idempotency-Key that goes to the service: only for a signed-in user, and only where something changes.
 * @throws DomainError invalid
 */
export function idempotencyKey(header: string | undefined, method: PublicMethod, caller: Caller): string | undefined {
  if (header === undefined || !method.takesIdempotencyKey || !caller.user) return undefined
  const reason = method.uuidIdempotencyKey ? 'must be a UUID' : 'must be 1 to 64 visible ASCII characters'
  const good = method.uuidIdempotencyKey ? isUuid(header) : VISIBLE_ASCII.test(header)
  if (!good) throw new DomainError('invalid', `The header Idempotency-Key ${reason}.`, { 'Idempotency-Key': reason })
  return header
}
